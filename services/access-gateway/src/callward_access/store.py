"""The gateway's unit of work and register over PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward.access.v1 import tenant_pb2
from callward_access import events
from callward_access.domain.errors import AudienceTaken
from callward_access.domain.model import ListeningSession
from callward_access.ports import DomainEvent, Granted, Registered
from callward_common.db import Database, Transaction
from callward_common.identity import Actor
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import from_proto as tenant_from_proto
from callward_common.tenancy.projection import to_proto as tenant_to_proto

METADATA = sa.MetaData()

SESSIONS = sa.Table(
    "listening_sessions",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("session_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("recording_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("issuer", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("rendition", sa.Text, nullable=False),
    sa.Column("grant_event_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
)
_SESSION_COLUMNS = [column for column in SESSIONS.c if column.name != "closed"]

REGISTER = sa.Table(
    "tenant_register",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, nullable=False),
    sa.Column("document", sa.LargeBinary, nullable=False),
)

AUDIENCES = sa.Table(
    "tenant_audiences",
    METADATA,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("audience", sa.Text, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
)


class DatabaseUnits:
    """Begins units of work, one transaction each."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def begin(self, tenant_id: str) -> AsyncIterator["DatabaseUnit"]:
        """Begin a unit for one tenant, or for nobody's; it commits when the block ends without an exception."""
        async with self._db.transaction(tenant_id or None) as transaction:
            yield DatabaseUnit(transaction, tenant_id)


class DatabaseUnit:
    """One transaction of one tenant."""

    def __init__(self, transaction: Transaction, tenant_id: str) -> None:
        self._transaction = transaction
        self._tenant = tenant_id

    async def add_session(self, session: ListeningSession) -> None:
        """Keep a listening session."""
        values = {column.name: getattr(session, column.name) for column in _SESSION_COLUMNS}
        await self._transaction.connection.execute(sa.insert(SESSIONS).values(values))

    async def session(self, session_id: str) -> ListeningSession | None:
        """Return a listening session that was not closed."""
        query = sa.select(*_SESSION_COLUMNS).where(*self._this(session_id), ~SESSIONS.c.closed)
        row = (await self._transaction.connection.execute(query)).mappings().first()
        return None if row is None else ListeningSession(**row)

    async def close_session(self, session_id: str) -> None:
        """Close a listening session; a closed one is fine."""
        statement = sa.update(SESSIONS).where(*self._this(session_id)).values(closed=True)
        await self._transaction.connection.execute(statement)

    def record(self, event: DomainEvent) -> None:
        """Put an event into the outbox."""
        event_id = event.event_id if isinstance(event, Granted) else None
        key = events.key_of(event, self._tenant)
        self._transaction.emit(events.to_message(event), key=key, tenant=self._tenant, event_id=event_id)

    def _this(self, session_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (SESSIONS.c.tenant_id == self._tenant, SESSIONS.c.session_id == session_id)


class DatabaseRegister:
    """The register of tenants. Its tables belong to operators and span tenants, so they are not apart by tenant."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def put(self, actor: Actor, tenant: TenantRecord) -> TenantRecord:
        """Create or replace a tenant and publish it. Raises AudienceTaken. An unchanged tenant changes nothing."""
        async with self._db.transaction() as transaction:
            connection = transaction.connection
            await connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_REGISTER_LOCK)))
            known = await _known(transaction, tenant.tenant_id)
            if known is not None and replace(tenant, version=known.version) == known:
                return known
            registered = replace(tenant, version=known.version + 1 if known else 1)
            document = tenant_to_proto(registered).SerializeToString(deterministic=True)
            values = {"version": registered.version, "document": document}
            statement = insert(REGISTER).values(tenant_id=tenant.tenant_id, **values)
            await connection.execute(
                statement.on_conflict_do_update(index_elements=["tenant_id"], set_=values)
            )
            await _claim_audiences(transaction, registered)
            message = events.tenant_changed(Registered(actor, registered))
            transaction.emit(message, key=tenant.tenant_id, tenant=tenant.tenant_id)
            return registered

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Return a tenant as registered."""
        async with self._db.transaction() as transaction:
            return await _known(transaction, tenant_id)


#: Any constant will do; it only has to be used for nothing else in this database.
_REGISTER_LOCK = 0x63616C6C7264


async def _known(transaction: Transaction, tenant_id: str) -> TenantRecord | None:
    query = sa.select(REGISTER.c.document).where(REGISTER.c.tenant_id == tenant_id)
    document = (await transaction.connection.execute(query)).scalar()
    return None if document is None else tenant_from_proto(tenant_pb2.Tenant.FromString(document))


async def _claim_audiences(transaction: Transaction, tenant: TenantRecord) -> None:
    connection = transaction.connection
    await connection.execute(sa.delete(AUDIENCES).where(AUDIENCES.c.tenant_id == tenant.tenant_id))
    for issuer in tenant.issuers:
        for audience in issuer.audiences:
            values = {"issuer": issuer.issuer, "audience": audience, "tenant_id": tenant.tenant_id}
            statement = (
                insert(AUDIENCES).values(values).on_conflict_do_nothing().returning(AUDIENCES.c.tenant_id)
            )
            if (await connection.execute(statement)).first() is None:
                raise AudienceTaken(
                    "an issuer with this audience belongs to another tenant, or is listed twice"
                )
