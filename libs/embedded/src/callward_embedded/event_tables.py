"""The tables of the event log: partitions, the log itself, and what each group has committed."""

from typing import Final

from sqlalchemy import BigInteger, Column, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from callward_common.db.database import async_url
from callward_embedded.databases import DatabaseUrls, checked

_metadata = MetaData()

#: The next position of each partition. Whoever appends holds the row's lock until it commits.
partitions = Table(
    "partitions",
    _metadata,
    Column("topic", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("next_position", BigInteger, nullable=False),
)

#: Every event, without end: this is the development platform, and a group that comes later reads from the beginning.
log = Table(
    "log",
    _metadata,
    Column("topic", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", BigInteger, primary_key=True),
    Column("key", Text, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("data", LargeBinary, nullable=False),
)

#: The next position to read, by consumer group.
offsets = Table(
    "offsets",
    _metadata,
    Column("consumer_group", Text, primary_key=True),
    Column("topic", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("position", BigInteger, nullable=False),
)

_GRANTS: Final = (
    "GRANT SELECT, INSERT, UPDATE ON partitions TO {role}",
    "GRANT SELECT, INSERT ON log TO {role}",
    "GRANT SELECT, INSERT, UPDATE ON offsets TO {role}",
)


async def create_tables(urls: DatabaseUrls) -> None:
    """Makes the tables as their owner where they are missing, and grants the run role what it needs."""
    engine = create_async_engine(async_url(urls.owner_url), poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.run_sync(_metadata.create_all)
            for grant in _GRANTS:
                await connection.execute(text(grant.format(role=checked(urls.run_role))))
    finally:
        await engine.dispose()
