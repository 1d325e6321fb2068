"""Fakes of ingest's ports: in memory, with the transactions and promises of the real ones."""

import copy
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from callward_common.clock import Clock
from callward_common.errors import CallwardError, Unavailable
from callward_common.ids import new_id
from callward_common.objects.store import StoredObject
from callward_crypto.keys import METADATA_LABEL, derive_subkey, rendition_label
from callward_ingest.domain.calls import AgeGroup, Call, Evidence, IdentifierKind, NewCall, Pseudonym
from callward_ingest.domain.decisions import AppliedRule, Decision, MissingEvidence, Outcome, Plan
from callward_ingest.domain.events import DomainEvent
from callward_ingest.domain.idempotency import Claim, Claimant, ClaimOutcome, StoredAnswer
from callward_ingest.domain.keys import DataKey, PublicKey, Receipt, ReceiptStatement, Subject, SubjectKind
from callward_ingest.domain.recordings import (
    ORIGINAL,
    Attempt,
    Page,
    Recording,
    RecordingFilter,
    RecordingState,
    Sealing,
)

RULE = AppliedRule("CA", "all-party", "all_party__consent", "Cal. Penal Code § 632", "high", deciding=True)


def decision(outcome: Outcome = Outcome.permit) -> Decision:
    """A decision with one rule; what is missing is named when evidence is."""
    missing = (MissingEvidence("patient", ("verbal-yes",)),) if outcome is Outcome.evidence_missing else ()
    return Decision(new_id(), outcome, (RULE,), missing, ("all-party-express-evidence",), "law/2026-11", 3)


class FakeConsent:
    """Decides as it is told: `outcomes` are used up one by one, the last one stays."""

    def __init__(self, *outcomes: Outcome) -> None:
        self.outcomes = list(outcomes or (Outcome.permit,))
        self.failing: CallwardError | None = None
        self.registered: dict[str, NewCall] = {}
        self.evidence: list[Evidence] = []
        self.keys: list[str] = []

    def _decide(self) -> Decision:
        if self.failing is not None:
            raise self.failing
        return decision(self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0])

    async def register_call(self, tenant: str, call_id: str, call: NewCall) -> Decision:
        taken = self._decide()
        self.registered[call_id] = call
        return taken

    async def record_evidence(
        self, tenant: str, call_id: str, evidence: Evidence, idempotency_key: str
    ) -> tuple[str, Decision]:
        self.evidence.append(evidence)
        self.keys.append(idempotency_key)
        return new_id(), self._decide()

    async def revoke(
        self, tenant: str, call_id: str, party_id: str, revoked_at: datetime, idempotency_key: str
    ) -> Decision:
        self.outcomes = [Outcome.revoked]
        return self._decide()

    async def may_record(self, tenant: str, call_id: str) -> Decision:
        return self._decide()


class FakePlanner:
    """Plans ten years from the clock's start."""

    def __init__(self) -> None:
        self.asked: list[datetime] = []

    async def plan(self, tenant: str, call_id: str, clock_start: datetime, age_group: AgeGroup) -> Plan:
        self.asked.append(clock_start)
        until = clock_start + timedelta(days=3650)
        return Plan(
            "medical-record", until, until + timedelta(days=30), "22 CCR § 70751(c)", "policy/1+law/2026-11"
        )


@dataclass
class FakeKey:
    subject: Subject
    data_key: bytes
    state: str = "open"
    manifest_sha256: bytes = b""


class FakeKeys:
    """Issues real keys, refuses what key-management refuses."""

    def __init__(self, clock: Clock) -> None:
        self.issued: dict[str, FakeKey] = {}
        self.failing: dict[str, CallwardError] = {}
        self._clock = clock

    async def issue(self, subject: Subject, plan: Plan) -> DataKey:
        self._fail("issue")
        assert subject.subject_id not in self.issued
        key = FakeKey(subject, hashlib.sha256(subject.subject_id.encode()).digest())
        self.issued[subject.subject_id] = key
        return DataKey(new_id(), b"c" * 32, self.subkey(subject.subject_id))

    def subkey(self, subject_id: str) -> bytes:
        key = self.issued[subject_id]
        is_call = key.subject.kind is SubjectKind.call
        return derive_subkey(key.data_key, METADATA_LABEL if is_call else rendition_label(ORIGINAL))

    async def seal(self, subject: Subject, manifest_sha256: bytes) -> datetime:
        self._fail("seal")
        key = self.issued[subject.subject_id]
        assert key.state == "open"
        assert key.subject.secret == subject.secret
        key.state, key.manifest_sha256 = "sealed", manifest_sha256
        return self._clock.now()

    async def abandon(self, subject: Subject, reason: str) -> None:
        self._fail("abandon")
        key = self.issued[subject.subject_id]
        if key.state != "open":
            raise Unavailable("The key is not open.")
        key.state = "shred_pending"

    def _fail(self, method: str) -> None:
        if method in self.failing:
            raise self.failing[method]


class FakePseudonyms:
    """Keyed hashes."""

    def __init__(self) -> None:
        self.fingerprint_days: list[date] = []

    async def pseudonymise(
        self, tenant: str, quarter: str, kind: IdentifierKind, values: Sequence[str]
    ) -> Sequence[bytes]:
        return [hashlib.sha256(f"{tenant}{quarter}{kind}{value}".encode()).digest() for value in values]

    async def fingerprint_key(self, tenant: str, day: date) -> bytes:
        self.fingerprint_days.append(day)
        return hashlib.sha256(f"{tenant}{day}".encode()).digest()


class FakeSigner:
    """Signs with a hash."""

    def __init__(self) -> None:
        self.failing: CallwardError | None = None
        self.statements: list[ReceiptStatement] = []

    async def sign_receipt(self, tenant: str, statement: ReceiptStatement) -> Receipt:
        if self.failing is not None:
            raise self.failing
        self.statements.append(statement)
        jws = f"receipt.{statement.recording_id}.{statement.state}"
        return Receipt(jws, hashlib.sha256(jws.encode()).digest())


class FakeSigningKeys:
    """Lists the keys it has."""

    def __init__(self) -> None:
        self.keys = [PublicKey("k1", "receipt", b"p" * 32)]
        self.failing: CallwardError | None = None
        self.asked = 0

    async def list_keys(self) -> Sequence[PublicKey]:
        self.asked += 1
        if self.failing is not None:
            raise self.failing
        return list(self.keys)


class MemoryObjects:
    """An ObjectStore in memory: a body that fails leaves nothing."""

    def __init__(self) -> None:
        self.stored: dict[tuple[str, str], bytes] = {}
        self.failing: CallwardError | None = None

    async def put(self, key: str, body: AsyncIterable[bytes]) -> StoredObject:
        content = bytearray()
        async for piece in body:
            content += piece
        if self.failing is not None:
            raise self.failing
        version = new_id()
        self.stored[key, version] = bytes(content)
        return StoredObject(key, version, len(content))

    async def read(
        self, key: str, version_id: str, *, start: int = 0, stop: int | None = None
    ) -> AsyncIterator[bytes]:
        yield self.stored[key, version_id][start:stop]

    async def stat(self, key: str, version_id: str) -> StoredObject:
        return StoredObject(key, version_id, len(self.stored[key, version_id]))

    async def delete(self, key: str, version_id: str) -> None:
        self.stored.pop((key, version_id), None)

    async def versions(self, prefix: str) -> AsyncIterator[StoredObject]:
        for (key, version), content in tuple(self.stored.items()):
            if key.startswith(prefix):
                yield StoredObject(key, version, len(content))


@dataclass
class Held:
    claimant: Claimant
    answer: StoredAnswer | None = None


@dataclass
class Rows:
    """All rows of one tenant."""

    calls: dict[str, Call] = field(default_factory=dict)
    pseudonyms: list[Pseudonym] = field(default_factory=list)
    recordings: dict[str, Recording] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, Held] = field(default_factory=dict)
    events: list[tuple[DomainEvent, str]] = field(default_factory=list)


class MemoryUnit:
    """One transaction: it implements the three kinds of rows itself."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.calls = MemoryCalls(rows)
        self.attempts = MemoryAttempts(rows)
        self.recordings = MemoryRecordings(rows)
        self.idempotency = MemoryIdempotency(rows)

    def record(self, event: DomainEvent, *, event_id: str | None = None) -> None:
        self._rows.events.append((event, event_id or new_id()))


class MemoryUnits:
    """Transactions over copies. `before_commit` and `after_commit` are raised once by the next unit that seals."""

    def __init__(self) -> None:
        self.tenants: dict[str, Rows] = {}
        self.before_commit: Exception | None = None
        self.after_commit: Exception | None = None
        self.unreachable = False

    def rows(self, tenant: str) -> Rows:
        return self.tenants.setdefault(tenant, Rows())

    @asynccontextmanager
    async def begin(self, tenant: str) -> AsyncIterator[MemoryUnit]:
        if self.unreachable:
            raise Unavailable("The database does not answer.")
        working = copy.deepcopy(self.rows(tenant))
        sealed_before = len(working.manifests)
        yield MemoryUnit(working)
        seals = len(working.manifests) > sealed_before
        if seals and self.before_commit is not None:
            raised, self.before_commit = self.before_commit, None
            raise raised
        self.tenants[tenant] = working
        if seals and self.after_commit is not None:
            raised, self.after_commit = self.after_commit, None
            raise raised


class MemoryCalls:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def add(self, call: Call, pseudonyms: Sequence[Pseudonym]) -> None:
        self._rows.calls[call.call_id] = call
        self._rows.pseudonyms.extend(pseudonyms)

    async def find(self, call_id: str) -> Call | None:
        return self._rows.calls.get(call_id)

    async def end(self, call_id: str, ended_at: datetime) -> tuple[datetime, bool]:
        call = self._rows.calls[call_id]
        if call.ended_at is not None:
            return call.ended_at, False
        self._rows.calls[call_id] = replace(call, ended_at=ended_at)
        return ended_at, True


class MemoryAttempts:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def start(self, attempt: Attempt) -> None:
        self._rows.recordings[attempt.recording_id] = Recording(
            recording_id=attempt.recording_id,
            call_id=attempt.call_id,
            queue=attempt.queue,
            call_started_at=self._rows.calls[attempt.call_id].started_at,
            state=RecordingState.receiving,
            reasons=(),
            object_key=attempt.object_key,
        )

    async def seal(self, sealing: Sealing) -> bool:
        found = self._rows.recordings[sealing.recording_id]
        if found.state is not RecordingState.receiving:
            return False
        self._rows.manifests[sealing.recording_id] = sealing.manifest
        self._rows.recordings[sealing.recording_id] = replace(
            found,
            state=sealing.state,
            reasons=sealing.reasons,
            key_id=sealing.key_id,
            sealed_at=sealing.sealed_at,
            retain_until=sealing.retain_until,
            retention_class=sealing.retention_class,
            retention_citation=sealing.retention_citation,
            receipt=sealing.receipt,
            media=sealing.media,
        )
        return True

    async def abandon(self, recording_id: str) -> bool:
        found = self._rows.recordings[recording_id]
        if found.state is not RecordingState.receiving:
            return False
        self._rows.recordings[recording_id] = replace(found, state=RecordingState.abandoned)
        return True

    async def lost(self, now: datetime) -> Sequence[Recording]:
        held = {item.claimant.owner for item in self._rows.keys.values() if item.claimant.held_until > now}
        receiving = [r for r in self._rows.recordings.values() if r.state is RecordingState.receiving]
        return [item for item in receiving if item.recording_id not in held]


class MemoryRecordings:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def find(self, recording_id: str) -> tuple[Recording, bytes | None] | None:
        found = self._rows.recordings.get(recording_id)
        return None if found is None else (found, self._rows.manifests.get(recording_id))

    async def page(self, wanted: RecordingFilter) -> Page:
        found = [
            item
            for _, item in sorted(self._rows.recordings.items(), reverse=True)
            if item.state in wanted.states and wanted.call_id in (None, item.call_id)
        ]
        return Page(tuple(found[: wanted.limit]), len(found) > wanted.limit)


class MemoryIdempotency:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    async def claim(self, key: str, claimant: Claimant, now: datetime) -> Claim:
        held = self._rows.keys.get(key)
        if held is not None and held.answer is not None:
            return Claim(ClaimOutcome.done, answer=held.answer)
        if held is not None and held.claimant.held_until > now:
            return Claim(ClaimOutcome.in_use)
        self._rows.keys[key] = Held(claimant)
        return Claim(ClaimOutcome.claimed)

    async def renew(self, key: str, claimant: Claimant) -> bool:
        if not self._mine(key, claimant.owner):
            return False
        self._rows.keys[key] = Held(claimant)
        return True

    async def complete(self, key: str, owner: str, answer: StoredAnswer) -> bool:
        if not self._mine(key, owner):
            return False
        self._rows.keys[key].answer = answer
        return True

    async def release(self, key: str, owner: str) -> None:
        if self._mine(key, owner):
            del self._rows.keys[key]

    def _mine(self, key: str, owner: str) -> bool:
        held = self._rows.keys.get(key)
        return held is not None and held.answer is None and held.claimant.owner == owner
