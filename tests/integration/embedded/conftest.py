"""Folders that PostgreSQL may be started in, also as root."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder of the test's own that another user may pass through; pytest's own folders are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="callward-test-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
