"""Fakes of ingest's ports: in memory, with the transactions and promises of the real ones."""

import copy
import hashlib
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta

from callward_common.clock import Clock
from callward_common.errors import CallwardError, InternalError, NotFound, Unavailable
from callward_common.ids import new_id
from callward_common.objects.store import LockState, StoredObject
from callward_crypto.keys import METADATA_LABEL, derive_subkey, rendition_label
from callward_ingest.domain.calls import AgeGroup, Call, Evidence, IdentifierKind, NewCall, Pseudonym
from callward_ingest.domain.decisions import AppliedRule, Decision, MissingEvidence, Outcome, Plan
from callward_ingest.domain.events import DomainEvent
from callward_ingest.domain.keys import DataKey, PublicKey, Receipt, ReceiptStatement, Subject, SubjectKind
from callward_ingest.domain.recordings import (
    ORIGINAL,
    PEAKS,
)
from tests.unit.ingest.fakes_history import MemoryReconciliations, MemoryRevisions
from tests.unit.ingest.fakes_media import NoMasks as NoMasks
from tests.unit.ingest.fakes_media import WavOnly as WavOnly
from tests.unit.ingest.fakes_media import wav_only as wav_only
from tests.unit.ingest.fakes_recordings import MemoryAttempts, MemoryIdempotency, MemoryRecordings
from tests.unit.ingest.fakes_rows import Held as Held
from tests.unit.ingest.fakes_rows import Rows as Rows
from tests.unit.ingest.fakes_uploads import MemoryParts, MemoryUploads
from tests.unit.ingest.marks_fakes import MemoryHeard, MemoryLegs, MemoryMarks
from tests.unit.ingest.webhook_fakes import MemoryDeliveries, MemoryWebhooks, Place

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
    key_id: str = field(default_factory=new_id)


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
        return self._data_key(subject)

    async def reissue(self, subject: Subject) -> DataKey:
        self._fail("reissue")
        key = self.issued.get(subject.subject_id)
        if key is None:
            raise NotFound("There is no such key.")
        assert key.state == "open"
        assert key.subject.secret == subject.secret
        return self._data_key(subject)

    def _data_key(self, subject: Subject) -> DataKey:
        key = self.issued[subject.subject_id]
        peaks = derive_subkey(key.data_key, rendition_label(PEAKS))
        return DataKey(key.key_id, b"c" * 32, self.subkey(subject.subject_id), peaks)

    def subkey(self, subject_id: str) -> bytes:
        key = self.issued[subject_id]
        is_call = key.subject.kind is not SubjectKind.recording
        return derive_subkey(key.data_key, METADATA_LABEL if is_call else rendition_label(ORIGINAL))

    async def seal(self, subject: Subject, manifest_sha256: bytes) -> datetime:
        self._fail("seal")
        key = self.issued[subject.subject_id]
        assert key.subject.secret == subject.secret
        if key.state == "sealed":
            assert key.manifest_sha256 == manifest_sha256
        else:
            assert key.state == "open"
        key.state, key.manifest_sha256 = "sealed", manifest_sha256
        return self._clock.now()

    async def abandon(self, subject: Subject, reason: str) -> None:
        self._fail("abandon")
        key = self.issued.get(subject.subject_id)
        if key is None:
            return
        if key.state == "sealed":
            raise InternalError("A sealed key is not given up.")
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
        self.retained: dict[tuple[str, str], datetime] = {}
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
        assert (key, version_id) not in self.retained
        self.stored.pop((key, version_id), None)

    async def retain(self, key: str, version_id: str, *, until: datetime, compliance: bool = False) -> None:
        assert (key, version_id) in self.stored
        self.retained[key, version_id] = until

    async def hold(self, key: str, version_id: str, on: bool) -> None:
        raise NotImplementedError

    async def state(self, key: str, version_id: str) -> LockState:
        return LockState(self.retained.get((key, version_id)), compliance=False, held=False)

    async def versions(self, prefix: str) -> AsyncIterator[StoredObject]:
        for (key, version), content in tuple(self.stored.items()):
            if key.startswith(prefix):
                yield StoredObject(key, version, len(content))


class MemoryUnit:
    """One transaction: it implements the three kinds of rows itself."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self.calls = MemoryCalls(rows)
        self.revisions = MemoryRevisions(rows.history, rows.calls, rows.pseudonyms)
        self.reconciliations = MemoryReconciliations(rows.history)
        self.attempts = MemoryAttempts(rows)
        self.recordings = MemoryRecordings(rows)
        self.idempotency = MemoryIdempotency(rows)
        self.uploads = MemoryUploads(rows)
        self.parts = MemoryParts(rows)
        self.legs = MemoryLegs(rows.marked)
        self.marks = MemoryMarks(rows.marked)
        self.heard = MemoryHeard(rows.marked)
        self.webhooks = MemoryWebhooks(rows.webhooks)
        self.deliveries = MemoryDeliveries(rows.webhooks)

    def record(self, event: DomainEvent, *, event_id: str | None = None) -> None:
        self._rows.events.append((event, event_id or new_id()))


class MemoryUnits:
    """Transactions over copies. `before_commit` and `after_commit` are raised once by the next unit that seals."""

    def __init__(self) -> None:
        self.tenants: dict[str, Rows] = {}
        #: The webhooks' work list, of all tenants.
        self.webhook_work: dict[str, Place] = {}
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
        working.webhooks.tenant, working.webhooks.work = tenant, self.webhook_work
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


class MemoryWorkList:
    def __init__(self, units: MemoryUnits) -> None:
        self._units = units

    async def take(self, now: datetime, until: datetime, limit: int) -> Sequence[tuple[str, str]]:
        taken: list[tuple[str, str]] = []
        for tenant, rows in self._units.tenants.items():
            for upload_id in [key for key, due in rows.due.items() if due <= now][:limit]:
                rows.due[upload_id] = until
                taken.append((tenant, upload_id))
        return taken
