"""Starts after every kind of death: none needs a human, and nothing committed is lost."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from callward_embedded import postmaster
from callward_embedded.places import database_account
from callward_embedded.postgres import EmbeddedPostgres
from tests.integration.embedded.test_postgres import running, scalar

#: Starts a server, commits a row, tells its process id and waits to be killed.
_VICTIM = """
import asyncio, sys
from pathlib import Path
from callward_embedded import postmaster
from callward_embedded.postgres import EmbeddedPostgres
from tests.integration.embedded.test_postgres import scalar
if sys.argv[2] == "orphan":
    postmaster._dies_with_parent = list
async def main():
    server = EmbeddedPostgres(Path(sys.argv[1]))
    await server.start()
    urls = await server.database("calls")
    await scalar(urls.owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    print(server.pid, flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""


@contextmanager
def victim(folder: Path, kind: str) -> Iterator[tuple[subprocess.Popen[bytes], psutil.Process]]:
    """A process with a server, and the server's process; both are gone afterwards."""
    root = Path(__file__).parents[3]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    command = [sys.executable, "-c", _VICTIM, str(folder), kind]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=root)
    server: psutil.Process | None = None
    try:
        assert process.stdout is not None
        server = psutil.Process(int(process.stdout.readline()))
        yield process, server
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
        if server is not None and alive(server):
            server.send_signal(signal.SIGQUIT)


def alive(server: psutil.Process) -> bool:
    """Whether a process runs: one that nobody has waited for yet does not."""
    return server.is_running() and server.status() != psutil.STATUS_ZOMBIE


async def still_there(folder: Path) -> None:
    async with running(EmbeddedPostgres(folder)) as server:
        urls = await server.database("calls")
        assert await scalar(urls.owner_url, "SELECT answer FROM kept") == 42


async def test_the_server_is_killed(place: Path) -> None:
    server = EmbeddedPostgres(place / "pg")
    await server.start()
    urls = await server.database("calls")
    await scalar(urls.owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)

    async with asyncio.timeout(10):
        await server.ended()
    await server.stop()
    assert (place / "pg" / "server" / "cluster" / "postmaster.pid").exists()
    await still_there(place / "pg")


async def test_we_are_killed_and_start_again_at_once(place: Path) -> None:
    with victim(place / "pg", "child") as (process, _):
        process.kill()
        process.wait()
        await still_there(place / "pg")


async def test_we_are_killed_and_the_server_lives_on(place: Path) -> None:
    with victim(place / "pg", "orphan") as (process, server):
        process.kill()
        process.wait()
        assert alive(server)

        await still_there(place / "pg")
        assert not alive(server)


async def test_we_and_the_server_are_killed(place: Path) -> None:
    with victim(place / "pg", "orphan") as (process, server):
        process.kill()
        process.wait()
        server.kill()
        await still_there(place / "pg")


@pytest.mark.skipif(not postmaster._dies_with_parent(), reason="this system cannot tell a child of our death")
async def test_the_server_ends_when_we_are_killed(place: Path) -> None:
    with victim(place / "pg", "child") as (process, server):
        process.kill()
        async with asyncio.timeout(10):
            while alive(server):  # noqa: ASYNC110
                await asyncio.sleep(0.02)


async def test_the_recorded_number_is_another_process_now(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")) as server:
        urls = await server.database("calls")
        await scalar(urls.owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")
    account = database_account()
    switch = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
    other = await asyncio.create_subprocess_exec("sleep", "600", **switch)  # type: ignore[arg-type]
    try:
        (place / "pg" / "server" / "cluster" / "postmaster.pid").write_text(f"{other.pid}\n/elsewhere\n")
        await still_there(place / "pg")
        assert other.returncode is None
    finally:
        other.kill()
        await other.wait()


async def test_a_first_start_that_was_interrupted_begins_anew(place: Path) -> None:
    server = EmbeddedPostgres(place / "pg")
    await server.start()
    await server.stop()
    cluster = place / "pg" / "server" / "cluster"
    cluster.rename(cluster.with_name("cluster.new"))
    (cluster.with_name("cluster.new") / "global" / "pg_control").unlink()

    async with running(EmbeddedPostgres(place / "pg")) as again:
        await again.database("calls")
    assert not cluster.with_name("cluster.new").exists()
