"""The projection of the tenant register that every service keeps: no door needs another service to know a tenant."""

import asyncio
from collections.abc import Collection

from google.protobuf.message import Message
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from callward.access.v1 import events_pb2, tenant_pb2
from callward_common.clock import Clock
from callward_common.db import Database, Transaction
from callward_common.db.tables import tenants
from callward_common.errors import InvalidRequest
from callward_common.events.envelope import Envelope
from callward_common.tenancy.model import IssuerKind, IssuerRecord, QueueRule, TenantRecord

_KINDS: dict[int, IssuerKind] = {
    tenant_pb2.ISSUER_KIND_PEOPLE: "people",
    tenant_pb2.ISSUER_KIND_MACHINES: "machines",
}
#: Days after the end of the period in which destruction is due, where the tenant says nothing.
DEFAULT_DELETE_AFTER_DAYS = 30


def from_proto(tenant: tenant_pb2.Tenant) -> TenantRecord:
    """Gives the record. What is not stated is the safe thing; an issuer without a kind is left out."""
    return TenantRecord(
        tenant_id=tenant.tenant_id,
        display_name=tenant.display_name,
        version=tenant.version,
        active=tenant.status == tenant_pb2.TENANT_STATUS_ACTIVE,
        entity_type=tenant.entity_type,
        home_state=tenant.home_state,
        issuers=tuple(_issuer(issuer) for issuer in tenant.issuers if issuer.kind in _KINDS),
        queues={queue.queue: _queue(queue) for queue in tenant.queues},
        retain_years=tenant.retention.retain_years,
        delete_after_days=tenant.retention.delete_after_days or DEFAULT_DELETE_AFTER_DAYS,
    )


def to_proto(record: TenantRecord) -> tenant_pb2.Tenant:
    """Gives the message of a record: `from_proto` of it is the record again."""
    status = tenant_pb2.TENANT_STATUS_ACTIVE if record.active else tenant_pb2.TENANT_STATUS_SUSPENDED
    on, off = tenant_pb2.RECORDING_MODE_ON, tenant_pb2.RECORDING_MODE_OFF
    implied, express = tenant_pb2.CONSENT_MODE_IMPLIED, tenant_pb2.CONSENT_MODE_EXPRESS
    kinds = {name: number for number, name in _KINDS.items()}
    return tenant_pb2.Tenant(
        tenant_id=record.tenant_id,
        display_name=record.display_name,
        version=record.version,
        status=status,
        entity_type=record.entity_type,
        home_state=record.home_state,
        issuers=[
            tenant_pb2.Issuer(
                issuer=issuer.issuer,
                audiences=sorted(issuer.audiences),
                kind=tenant_pb2.IssuerKind.ValueType(kinds[issuer.kind]),
                jwks_uri=issuer.jwks_uri,
                mfa_methods=sorted(issuer.mfa_methods),
                roles_claim=issuer.roles_claim,
            )
            for issuer in record.issuers
        ],
        queues=[
            tenant_pb2.QueuePolicy(
                queue=rule.queue,
                recording=on if rule.recording_on else off,
                consent=implied if rule.implied_consent else express,
            )
            for rule in record.queues.values()
        ],
        retention=tenant_pb2.RetentionPolicy(
            retain_years=record.retain_years, delete_after_days=record.delete_after_days
        ),
    )


def _issuer(issuer: tenant_pb2.Issuer) -> IssuerRecord:
    return IssuerRecord(
        issuer=issuer.issuer,
        audiences=frozenset(issuer.audiences),
        kind=_KINDS[issuer.kind],
        jwks_uri=issuer.jwks_uri,
        mfa_methods=frozenset(issuer.mfa_methods),
        roles_claim=issuer.roles_claim or "roles",
    )


def _queue(queue: tenant_pb2.QueuePolicy) -> QueueRule:
    return QueueRule(
        queue=queue.queue,
        recording_on=queue.recording == tenant_pb2.RECORDING_MODE_ON,
        implied_consent=queue.consent == tenant_pb2.CONSENT_MODE_IMPLIED,
    )


class TenantProjection:
    """A TenantDirectory over the table `tenants`, with a cache of a few seconds that its own handler empties.

    When the database does not answer and the cache is too old, it raises DatabaseUnavailable: a door fails closed.
    """

    def __init__(self, db: Database, clock: Clock, *, max_age_seconds: float = 5.0) -> None:
        """`max_age_seconds` bounds how long a change made by another process goes unseen."""
        self._db, self._clock, self._max_age = db, clock, max_age_seconds
        self._records: dict[str, TenantRecord] = {}
        self._loaded_at: float | None = None
        self._changes = 0
        self._lock = asyncio.Lock()

    async def get(self, tenant_id: str) -> TenantRecord | None:
        """Returns the tenant, or None."""
        return (await self._current()).get(tenant_id)

    async def by_issuer(self, issuer: str, audiences: Collection[str]) -> TenantRecord | None:
        """Returns the one tenant with this issuer and one of these audiences; None when none or several have it."""
        found = [
            record
            for record in (await self._current()).values()
            if any(i.issuer == issuer and not i.audiences.isdisjoint(audiences) for i in record.issuers)
        ]
        return found[0] if len(found) == 1 else None

    async def handler(self, transaction: Transaction, envelope: Envelope, message: Message) -> None:
        """Stores the tenant of a TenantChanged. An older version never overwrites a newer one."""
        if not isinstance(message, events_pb2.TenantChanged) or message.tenant.tenant_id != envelope.tenant:
            raise InvalidRequest("The event is no TenantChanged of the tenant in its envelope.")
        row = {
            "tenant_id": message.tenant.tenant_id,
            "version": message.tenant.version,
            "data": message.tenant.SerializeToString(deterministic=True),
        }
        statement = insert(tenants).values(row)
        changes = {name: statement.excluded[name] for name in ("version", "data")}
        newer = tenants.c.version < statement.excluded.version
        await transaction.connection.execute(
            statement.on_conflict_do_update(index_elements=[tenants.c.tenant_id], set_=changes, where=newer)
        )
        transaction.on_commit(self._forget)

    def _forget(self) -> None:
        self._loaded_at = None
        self._changes += 1

    async def _current(self) -> dict[str, TenantRecord]:
        async with self._lock:
            if self._loaded_at is None or self._clock.monotonic() - self._loaded_at > self._max_age:
                started, changes = self._clock.monotonic(), self._changes
                self._records = await self._load()
                self._loaded_at = started if changes == self._changes else None
            return self._records

    async def _load(self) -> dict[str, TenantRecord]:
        async with self._db.transaction() as transaction:
            rows = await transaction.connection.execute(select(tenants.c.tenant_id, tenants.c.data))
            return {row.tenant_id: from_proto(tenant_pb2.Tenant.FromString(row.data)) for row in rows}
