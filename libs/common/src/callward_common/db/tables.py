"""The tables that every service's database has, made by `ddl.create_mechanisms`, and the keys of its locks.

None of them has row-level security: relay, consumer and token check work across tenants by nature, and the tables
hold ids, codes and events only, none of which may hold PHI (`callward_common.events.privacy`).
A change to a table is a new helper for migrations, after today's DDL was written out in the old one.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import BigInteger, Boolean, Column, Integer, LargeBinary, Text

#: Where a transaction keeps its tenant. A custom setting that was once set reads '' afterwards, so '' is nobody.
TENANT_SETTING: Final = "callward.tenant"

#: Advisory locks with two keys: a space apart from that of the locks with one, which are the services' own.
RELAY_LOCK: Final = (0x43414C57, 1)
MIGRATION_LOCK: Final = (0x43414C57, 2)

metadata = sa.MetaData(naming_convention={"ck": "%(table_name)s_%(constraint_name)s"})

_MOMENT: Final = sa.DateTime(timezone=True)
_ID: Final = sa.Uuid(as_uuid=False)


class _Xid8(sa.types.UserDefinedType[int]):
    """A 64-bit transaction id of PostgreSQL: compared in the database, never read."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


def _columns(type_: Any, *names: str) -> list[Column[Any]]:
    return [Column(name, type_, nullable=False) for name in names]


#: Events to publish. Enforced ones stay until audit's watermark covers them, others until they are published.
outbox = sa.Table(
    "outbox",
    metadata,
    Column("id", BigInteger, sa.Identity(always=True), primary_key=True),
    Column("event_id", _ID, nullable=False, unique=True),
    Column("xid", _Xid8, nullable=False, server_default=sa.text("pg_current_xact_id()")),
    *_columns(Text, "topic", "key", "type", "tenant_id"),
    *_columns(Boolean, "enforced"),
    Column("sequence", BigInteger, unique=True),
    Column("traceparent", Text),
    *_columns(_MOMENT, "occurred_at"),
    *_columns(LargeBinary, "data"),
    Column("published_at", _MOMENT),
    sa.CheckConstraint("published_at IS NULL OR sequence IS NOT NULL", name="number_before_publication"),
    sa.Index("outbox_to_number", "id", postgresql_where=sa.text("sequence IS NULL")),
    sa.Index("outbox_to_publish", "sequence", postgresql_where=sa.text("published_at IS NULL")),
    sa.Index("outbox_not_covered", "occurred_at", postgresql_where=sa.text("enforced")),
    # A queue: dead rows must go while it is short, or every poll reads past them.
    postgresql_with={"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
)

#: One row: the last sequence given to an event, and the highest watermark that audit has told.
outbox_state = sa.Table(
    "outbox_state",
    metadata,
    Column("single", Boolean, sa.CheckConstraint("single", name="one_row"), primary_key=True),
    *_columns(BigInteger, "last_sequence", "covered"),
)

#: The events that a consumer group has handled, written in the transaction of the handling.
inbox = sa.Table(
    "inbox",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", _ID, primary_key=True),
    *_columns(_MOMENT, "handled_at"),
)

#: This service's projection of the tenants: `data` is a callward.access.v1.Tenant.
tenants = sa.Table(
    "tenants",
    metadata,
    Column("tenant_id", Text, primary_key=True),
    *_columns(BigInteger, "version"),
    *_columns(LargeBinary, "data"),
)

#: Events that a consumer gave up, with the class of the cause. The event itself is on its topic.
dead_letters = sa.Table(
    "dead_letters",
    metadata,
    Column("consumer", Text, primary_key=True),
    Column("event_id", _ID, primary_key=True),
    *_columns(Text, "topic", "type", "tenant_id", "cause"),
    *_columns(Integer, "partition", "tries"),
    *_columns(BigInteger, "position"),
    *_columns(_MOMENT, "dead_at"),
)

#: What the run role may do: it changes nothing about an event but its publication.
PRIVILEGES: Final = {
    outbox: "SELECT, INSERT, DELETE, UPDATE (sequence, published_at)",
    outbox_state: "SELECT, UPDATE",
    inbox: "SELECT, INSERT",
    tenants: "SELECT, INSERT, UPDATE",
    dead_letters: "SELECT, INSERT",
}
