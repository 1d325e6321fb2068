"""Searches everything the platform keeps or says for texts that must not be there."""

import base64
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.support.platform import DATABASES, RunningPlatform
from tests.support.telemetry import Telemetry


@cache
def disguises(text: str) -> Mapping[str, str]:
    """Gives a text as it may hide in others: plain, as JSON writes it, in hex, in base64 at any offset."""
    raw = text.encode()
    forms = {"plain": text, "hex": raw.hex(), "escaped": text.encode("unicode_escape").decode()}
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + raw).decode()
        # The first and last characters depend on the neighbours.
        forms[f"base64 at {offset}"] = encoded[4 if offset else 0 : -4]
    return forms


def found_in(haystack: str, text: str) -> str | None:
    """Returns the disguise in which a text is there, or None. PostgreSQL and Python write hex in lower case."""
    return next((name for name, form in disguises(text).items() if form in haystack), None)


def table_rows(platform: RunningPlatform) -> Iterator[tuple[str, str]]:
    """Yields every row of every table of every database as text, with its database and table; bytes are in hex."""
    for database in (*DATABASES, "postgres"):
        yield from platform.run(_rows(platform, database))


async def _rows(platform: RunningPlatform, database: str) -> list[tuple[str, str]]:
    connection: Any = await asyncpg.connect(await platform.url(database, "admin"))
    try:
        tables = await connection.fetch(
            "SELECT schemaname AS schema, tablename AS name FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        found = []
        for table in tables:
            where = f"{database}.{table['name']}"
            query = f'SELECT t::text AS row FROM "{table["schema"]}"."{table["name"]}" t'
            found += [(where, row["row"]) for row in await connection.fetch(query)]
        activity = await connection.fetch("SELECT coalesce(query, '') AS row FROM pg_stat_activity")
        return found + [(f"{database} activity", row["row"]) for row in activity]
    finally:
        await connection.close()


def files(platform: RunningPlatform) -> Iterator[tuple[Path, bytes]]:
    """Yields every file under the data folder, PostgreSQL's own and its write-ahead log included."""
    for path in sorted(platform.data_dir.rglob("*")):
        if path.is_file() and "binaries" not in path.parts:
            try:
                yield path, path.read_bytes()
            except FileNotFoundError:  # PostgreSQL's temporary files come and go
                continue


def metrics(platform: RunningPlatform) -> str:
    """Returns what Prometheus would scrape from every component."""
    pages = [httpx.get(f"{base}/metrics", trust_env=False) for base in platform.inner.management.values()]
    assert all(page.status_code == 200 for page in pages)
    return "\n".join(page.text for page in pages)


def spans(telemetry: Telemetry) -> str:
    """Returns all that exporters would send of every ended span and could hold a text."""
    return "\n".join(
        f"{span.name} {dict(span.attributes or {})} {span.status.description} {dict(span.resource.attributes)} "
        f"{[(event.name, dict(event.attributes or {})) for event in span.events]} "
        f"{[dict(link.attributes or {}) for link in span.links]}"
        for span in telemetry.spans
    )
