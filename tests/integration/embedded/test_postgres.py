"""PostgreSQL as Callward starts it: its data, its roles, its account, its log."""

import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from callward_common.db.database import async_url
from callward_embedded.errors import AlreadyRunning, PlaceUnusable, VersionMismatch
from callward_embedded.places import database_account, open_folder
from callward_embedded.postgres import EmbeddedPostgres
from tests.support.postgres import PostgresServer


@asynccontextmanager
async def connection(url: str) -> AsyncIterator[AsyncConnection]:
    engine = create_async_engine(async_url(url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        async with engine.connect() as opened:
            yield opened
    finally:
        await engine.dispose()


async def scalar(url: str, statement: str) -> object:
    async with connection(url) as opened:
        result = await opened.execute(text(statement))
        return result.scalar() if result.returns_rows else None


@asynccontextmanager
async def running(server: EmbeddedPostgres) -> AsyncIterator[EmbeddedPostgres]:
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


async def test_a_restart_keeps_data_and_passwords(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")) as server:
        urls = await server.database("calls")
        await scalar(urls.owner_url, "CREATE TABLE kept AS SELECT 42 AS answer")

    async with running(EmbeddedPostgres(place / "pg")) as server:
        again = await server.database("calls")
        assert await scalar(again.owner_url, "SELECT answer FROM kept") == 42
        assert async_url(again.run_url).password == async_url(urls.run_url).password
        assert str(async_url(again.run_url).password) not in repr(again)


async def test_a_second_instance_is_refused_naming_the_first(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")) as first:
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            await EmbeddedPostgres(place / "pg").start()
        assert first.pid is not None

    async with running(EmbeddedPostgres(place / "pg")):
        pass


async def test_data_of_another_major_version_are_refused_and_left_alone(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")):
        pass
    version = place / "pg" / "server" / "cluster" / "PG_VERSION"
    record, real = place / "pg" / "version.json", version.read_text()
    version.write_text("9\n")

    with pytest.raises(VersionMismatch, match=r"PostgreSQL 9"):
        await EmbeddedPostgres(place / "pg").start()
    record.write_text('{"layout": 1, "postgresql": 9}')
    with pytest.raises(VersionMismatch, match=r"PostgreSQL 9, and only \d+ was found"):
        await EmbeddedPostgres(place / "pg").start()

    version.write_text(real)
    record.write_text(f'{{"layout": 1, "postgresql": {int(real)}}}')
    async with running(EmbeddedPostgres(place / "pg")):
        pass


async def test_data_without_their_passwords_are_refused(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")):
        pass
    (place / "pg" / "passwords.json").unlink()

    with pytest.raises(PlaceUnusable, match="passwords"):
        await EmbeddedPostgres(place / "pg").start()


async def test_the_server_is_not_root_and_its_folder_is_closed(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")) as server:
        account = database_account()
        process = psutil.Process(server.pid)

        assert process.uids().effective == account.uid != 0
        assert process.gids().effective == account.gid
        assert all(child.uids().effective == account.uid for child in process.children(recursive=True))
        cluster = (place / "pg" / "server").stat()
        assert (cluster.st_uid, stat.S_IMODE(cluster.st_mode)) == (account.uid, 0o700)
        assert stat.S_IMODE((place / "pg" / "passwords.json").stat().st_mode) == 0o600
        listening = {held.laddr.ip for held in process.net_connections() if held.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root starts the server as another user")
async def test_a_place_that_the_server_cannot_reach_is_refused_with_the_folder(place: Path) -> None:
    closed = place / "home"
    closed.mkdir(mode=0o700)

    with pytest.raises(PlaceUnusable, match=str(closed)):
        open_folder(closed / "data", database_account())


async def test_settings_are_durable_and_quiet(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")) as server:
        urls = await server.database("calls")
        expected = {
            "fsync": "on",
            "synchronous_commit": "on",
            "full_page_writes": "on",
            "data_checksums": "on",
            "timezone": "UTC",
            "server_encoding": "UTF8",
            "log_statement": "none",
            "log_min_error_statement": "panic",
            "log_parameter_max_length": "0",
            "log_parameter_max_length_on_error": "0",
        }
        assert {name: await scalar(urls.run_url, f"SHOW {name}") for name in expected} == expected
        assert int(str(await scalar(urls.run_url, "SHOW max_connections"))) >= 150


async def test_nothing_of_a_statement_reaches_the_log(place: Path) -> None:
    async with running(EmbeddedPostgres(place / "pg")) as server:
        urls = await server.database("calls")
        for statement in ("SELECT 'MRN-0042'::integer", "SELECT 1/0 /* MRN-0042 */", "MRN-0042"):
            with pytest.raises(DBAPIError):
                await scalar(urls.run_url, statement)
        await scalar(urls.owner_url, "CREATE TABLE seen (mrn text UNIQUE)")
        await scalar(urls.owner_url, "INSERT INTO seen VALUES ('MRN-0042')")
        with pytest.raises(DBAPIError):
            await scalar(urls.owner_url, "INSERT INTO seen VALUES ('MRN-0042')")

    log = (place / "pg" / "postgres.log").read_text()
    assert "database system is shut down" in log
    assert "MRN-0042" not in log


async def test_the_run_role_owns_nothing_and_creates_nothing(postgres: PostgresServer) -> None:
    urls = await postgres.empty("roles")
    owns = "SELECT count(*) FROM pg_class WHERE relowner = (SELECT oid FROM pg_roles WHERE rolname = current_user)"
    powers = (
        "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls "
        "FROM pg_roles WHERE rolname = current_user"
    )

    assert await scalar(urls.run_url, "SELECT current_user::text") == urls.run_role
    assert await scalar(urls.run_url, owns) == 0
    assert await scalar(urls.run_url, powers) is False
    for statement in (
        "CREATE TABLE mine (id int)",
        "CREATE TEMPORARY TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE DATABASE mine",
        "CREATE ROLE mine",
        "COPY (SELECT 1) TO PROGRAM 'true'",
        "SELECT pg_read_file('PG_VERSION')",
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|must be superuser"):
            await scalar(urls.run_url, statement)


async def test_a_role_reaches_its_own_database_only(postgres: PostgresServer) -> None:
    one, other = await postgres.empty("one"), await postgres.empty("other")
    elsewhere = str(async_url(other.run_url).database)

    for url in (one.run_url, one.owner_url):
        for database in (elsewhere, "postgres", "template1"):
            foreign = async_url(url).set(database=database).render_as_string(hide_password=False)
            with pytest.raises(DBAPIError, match="permission denied for database"):
                await scalar(foreign, "SELECT 1")


async def test_a_wrong_password_is_refused(postgres: PostgresServer) -> None:
    urls = await postgres.empty("wrong")
    url = async_url(urls.run_url).set(password="wrong").render_as_string(hide_password=False)

    with pytest.raises(DBAPIError, match="password authentication failed"):
        await scalar(url, "SELECT 1")


async def test_a_database_is_made_once(postgres: PostgresServer) -> None:
    first = await postgres.embedded.database("again")
    await scalar(first.owner_url, "CREATE TABLE kept AS SELECT 1 AS one")
    second = await postgres.embedded.database("again")

    assert second == first
    assert await scalar(second.owner_url, "SELECT one FROM kept") == 1


@pytest.mark.parametrize("name", ["", "1st", "a-b", 'a"; DROP DATABASE postgres; --', "Ä", "a" * 57])
async def test_what_is_no_name_of_a_database_is_refused(postgres: PostgresServer, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await postgres.embedded.database(name)
