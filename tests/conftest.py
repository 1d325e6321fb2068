"""What holds for every tier: hypothesis without a clock, and a unit tier that cannot reach anything."""

import gc
import os
import socket
import subprocess
from pathlib import Path
from typing import NoReturn

import pytest
from hypothesis import settings

# Before gRPC is loaded: its fork handlers disturb the servers that tests start.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

pytest_plugins = ["tests.support.postgres"]

UNIT = Path(__file__).parent / "unit"

# A deadline per example would measure the machine, not the rule. CALLWARD_EXAMPLES searches longer.
settings.register_profile(
    "callward", deadline=None, print_blob=True, max_examples=int(os.environ.get("CALLWARD_EXAMPLES", "25"))
)
settings.load_profile("callward")


def _refuse(*arguments: object, **options: object) -> NoReturn:
    raise AssertionError(
        "the unit tier does no I/O: no socket, no process; this test belongs to another tier"
    )


@pytest.fixture(autouse=True)
def _unit_tier_stays_inside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse sockets and processes to tests under tests/unit."""
    if not request.path.is_relative_to(UNIT):
        return
    for name in ("bind", "connect", "connect_ex", "listen"):
        monkeypatch.setattr(socket.socket, name, _refuse)
    monkeypatch.setattr(subprocess, "Popen", _refuse)


def pytest_collection_finish() -> None:
    """Keep what was loaded out of the collector's sight: its full passes would take a tenth of the unit tier."""
    gc.collect()
    gc.freeze()
