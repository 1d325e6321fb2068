"""Consent's unit of work over PostgreSQL."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from callward_common.db import Database, Transaction
from callward_consent import events
from callward_consent.domain.model import (
    Call,
    Decision,
    Evidence,
    EvidenceKind,
    FormCommitment,
    Party,
    PartyRole,
    Revocation,
)
from callward_consent.ports import Case, Decided, DomainEvent
from callward_consent.tables import CALLS, DECISIONS, EVIDENCE, PARTIES, REVOCATIONS


class DatabaseUnits:
    """Begins units of work, one transaction each."""

    def __init__(self, db: Database) -> None:
        self._db = db

    @asynccontextmanager
    async def begin(self, tenant_id: str) -> AsyncIterator["DatabaseUnit"]:
        """Begin a unit for one tenant; it commits when the block ends without an exception."""
        async with self._db.transaction(tenant_id) as transaction:
            yield DatabaseUnit(transaction, tenant_id)


class DatabaseUnit:
    """One transaction of one tenant."""

    def __init__(self, transaction: Transaction, tenant_id: str) -> None:
        self._transaction = transaction
        self._connection = transaction.connection
        self._tenant = tenant_id

    async def case(self, call_id: str) -> Case | None:
        """Return what is on record about a call of this tenant, or None. Serialises units on the same call."""
        # The run role may not update, so a row lock is out of reach: an advisory lock serialises instead.
        lock = sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(f"{self._tenant}/{call_id}", 0))
        await self._connection.execute(sa.select(lock))
        call = await self._call(call_id)
        if call is None:
            return None
        return Case(call, await self._evidence(call_id), await self._revocations(call_id))

    async def add_call(self, call: Call) -> bool:
        """Take down a call; False when the id is taken."""
        values = {
            "tenant_id": self._tenant,
            "call_id": call.call_id,
            "queue": call.queue,
            "started_at": call.started_at,
        }
        statement = insert(CALLS).values(values).on_conflict_do_nothing().returning(CALLS.c.call_id)
        if (await self._connection.execute(statement)).first() is None:
            return False
        await self._connection.execute(
            sa.insert(PARTIES),
            [
                {
                    "tenant_id": self._tenant,
                    "call_id": call.call_id,
                    "position": position,
                    "party_id": party.party_id,
                    "role": party.role.value,
                    "jurisdictions": list(party.jurisdictions),
                }
                for position, party in enumerate(call.parties)
            ],
        )
        return True

    async def add_evidence(self, call_id: str, evidence: Evidence, idempotency_key: str) -> Evidence:
        """Take down evidence; where the key was used before, return what was taken down then."""
        values = {"tenant_id": self._tenant, "call_id": call_id, "idempotency_key": idempotency_key}
        statement = insert(EVIDENCE).values({**values, **_evidence_values(evidence)}).on_conflict_do_nothing()
        if (await self._connection.execute(statement.returning(EVIDENCE.c.evidence_id))).first() is not None:
            return evidence
        query = sa.select(EVIDENCE).where(*_same(EVIDENCE, values))
        return _evidence((await self._connection.execute(query)).one())

    async def add_revocation(self, call_id: str, revocation: Revocation, idempotency_key: str) -> Revocation:
        """Take down a revocation; where the key was used before, return what was taken down then."""
        values = {"tenant_id": self._tenant, "call_id": call_id, "idempotency_key": idempotency_key}
        row = {
            "revocation_id": revocation.revocation_id,
            "party_id": revocation.party_id,
            "revoked_at": revocation.revoked_at,
        }
        statement = insert(REVOCATIONS).values({**values, **row}).on_conflict_do_nothing()
        if (
            await self._connection.execute(statement.returning(REVOCATIONS.c.revocation_id))
        ).first() is not None:
            return revocation
        query = sa.select(REVOCATIONS).where(*_same(REVOCATIONS, values))
        found = (await self._connection.execute(query)).one()
        return Revocation(found.revocation_id, found.party_id, found.revoked_at)

    async def record(self, event: DomainEvent) -> None:
        """Put an event into the outbox; a decision is kept in its table as well."""
        if isinstance(event, Decided):
            await self._connection.execute(
                sa.insert(DECISIONS).values(_decision_values(self._tenant, event.decision))
            )
        message, call_id = events.to_message(event)
        self._transaction.emit(message, key=call_id, tenant=self._tenant)

    async def _call(self, call_id: str) -> Call | None:
        query = sa.select(CALLS.c.queue, CALLS.c.started_at).where(*self._mine(CALLS, call_id))
        row = (await self._connection.execute(query)).first()
        if row is None:
            return None
        parties = await self._connection.execute(
            sa.select(PARTIES.c.party_id, PARTIES.c.role, PARTIES.c.jurisdictions)
            .where(*self._mine(PARTIES, call_id))
            .order_by(PARTIES.c.position)
        )
        members = tuple(Party(p.party_id, PartyRole(p.role), tuple(p.jurisdictions)) for p in parties)
        return Call(call_id, row.queue, row.started_at, members)

    async def _evidence(self, call_id: str) -> list[Evidence]:
        query = sa.select(EVIDENCE).where(*self._mine(EVIDENCE, call_id)).order_by(EVIDENCE.c.evidence_id)
        return [_evidence(row) for row in await self._connection.execute(query)]

    async def _revocations(self, call_id: str) -> list[Revocation]:
        query = (
            sa.select(REVOCATIONS)
            .where(*self._mine(REVOCATIONS, call_id))
            .order_by(REVOCATIONS.c.revocation_id)
        )
        rows = await self._connection.execute(query)
        return [Revocation(row.revocation_id, row.party_id, row.revoked_at) for row in rows]

    def _mine(self, table: sa.Table, call_id: str) -> tuple[sa.ColumnElement[bool], ...]:
        return (table.c.tenant_id == self._tenant, table.c.call_id == call_id)


def _same(table: sa.Table, values: dict[str, str]) -> list[sa.ColumnElement[bool]]:
    return [table.c[name] == value for name, value in values.items()]


def _evidence_values(evidence: Evidence) -> dict[str, object]:
    return {
        "evidence_id": evidence.evidence_id,
        "kind": evidence.kind.value,
        "party_id": evidence.party_id,
        "given_at": evidence.given_at,
        "offset_microseconds": None
        if evidence.offset is None
        else evidence.offset // timedelta(microseconds=1),
        "script_id": evidence.script_id,
        "script_version": evidence.script_version,
        "form_salt": evidence.form.salt if evidence.form else None,
        "form_digest": evidence.form.digest if evidence.form else None,
    }


def _evidence(row: sa.Row[Any]) -> Evidence:
    return Evidence(
        evidence_id=row.evidence_id,
        kind=EvidenceKind(row.kind),
        party_id=row.party_id,
        given_at=row.given_at,
        offset=None if row.offset_microseconds is None else timedelta(microseconds=row.offset_microseconds),
        script_id=row.script_id,
        script_version=row.script_version,
        form=None if row.form_salt is None else FormCommitment(bytes(row.form_salt), bytes(row.form_digest)),
    )


def _decision_values(tenant_id: str, decision: Decision) -> dict[str, object]:
    verdict = decision.verdict
    return {
        "tenant_id": tenant_id,
        "decision_id": decision.decision_id,
        "call_id": decision.call_id,
        "use": decision.use.value,
        "outcome": verdict.outcome.value,
        "reasons": list(verdict.reasons),
        "deciding_jurisdiction": next(rule.jurisdiction for rule in verdict.rules if rule.deciding),
        "evidence_ids": list(verdict.evidence_ids),
        "rules_version": decision.rules_version,
        "policy_version": decision.policy_version,
        "decided_at": decision.decided_at,
    }
