"""Databases that go away for a while, in the ways in which real ones do; the server itself lives on."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.platform import DATABASES, RunningPlatform


@contextmanager
def refused(platform: RunningPlatform, component: str) -> Iterator[None]:
    """Ends every session of a component's database and lets no new one begin."""
    name = DATABASES[component]
    _admin(platform, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    try:
        end_sessions(platform, component)
        yield
    finally:
        _admin(platform, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")


def end_sessions(platform: RunningPlatform, component: str) -> int:
    """Ends the sessions that there are, as a restart of the server would; new ones may begin. Returns how many."""
    pids = sessions(platform, component)
    for pid in pids:
        platform.sql("postgres", "SELECT pg_terminate_backend($1)", pid, role="admin")
    return len(pids)


@contextmanager
def silent(platform: RunningPlatform, component: str) -> Iterator[list[int]]:
    """Stops the processes of a component's sessions: they hold their connections and answer nothing."""
    pids = sessions(platform, component)
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield pids
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


def sessions(platform: RunningPlatform, component: str) -> list[int]:
    """The processes of the sessions of a component's database."""
    query = "SELECT pid FROM pg_stat_activity WHERE datname = $1 AND pid <> pg_backend_pid()"
    return [int(row["pid"]) for row in platform.sql("postgres", query, DATABASES[component], role="admin")]


def _admin(platform: RunningPlatform, statement: str) -> None:
    platform.sql("postgres", statement, role="admin")
