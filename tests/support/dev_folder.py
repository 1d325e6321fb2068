"""A folder for the data of a `callward dev` that a test starts."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def dev_folder() -> Iterator[Path]:
    """A data folder that does not exist yet, in one that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="callward-dev-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o711)  # as root the database runs as another user, who must pass through
        yield Path(name) / "data"
