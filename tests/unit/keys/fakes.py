"""Fakes of key-management's ports: in memory, with the transactions and promises of the real ones."""

import base64
import copy
import hashlib
import hmac
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callward_common.clock import Clock
from callward_common.errors import CallwardError, InvalidRequest
from callward_common.identity import Actor, ActorKind
from callward_common.ids import new_id
from callward_common.tokens import MfaRequired, TokenExpired, TokenInvalid
from callward_keys.app.issuing import Issuing
from callward_keys.app.keyring import SigningKeyring
from callward_keys.app.mark_signing import MarkSigning
from callward_keys.app.opening import Openings
from callward_keys.app.pseudonyms import Pseudonymising
from callward_keys.app.signing import CheckpointSigning, ReceiptSigning
from callward_keys.domain.checkpoints import SignedCheckpoint
from callward_keys.domain.documents import PublicKey
from callward_keys.domain.errors import RefusalReason, TransitKeyMissing, TransitUnavailable, WrapRefused
from callward_keys.domain.events import DomainEvent
from callward_keys.domain.model import Bucket, BucketGroup, DataKey, KeyState, SubjectKind
from callward_keys.ports import GeneratedKey, PublicVersion
from tests.support.clock import ManualClock

TENANT = "mercy-general"
INGEST = Actor(ActorKind.service, "ingest")
PERSON = Actor(ActorKind.person, "nurse", "https://people.mercy.example")


class FakeTransit:
    """Transit in memory. `down` makes every call fail; `swapped` makes every wrap open to another key."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.down = False
        self.swapped = False
        self.buckets: dict[str, dict[str, tuple[bytes, bytes]]] = {}
        self.signing: dict[str, list[tuple[Ed25519PrivateKey, PublicVersion]]] = {}
        self.hmacs: dict[str, bytes] = {}
        self.calls: list[str] = []

    def _called(self, call: str) -> None:
        self.calls.append(call)
        if self.down:
            raise TransitUnavailable("Transit does not answer.")

    async def ensure_bucket_key(self, name: str) -> None:
        self._called("ensure_bucket_key")
        self.buckets.setdefault(name, {})

    async def generate_data_key(self, name: str, context: bytes) -> GeneratedKey:
        self._called("generate_data_key")
        if name not in self.buckets:
            raise TransitKeyMissing("There is no such key.")
        key, wrap = secrets.token_bytes(32), f"vault:v1:{base64.b64encode(secrets.token_bytes(60)).decode()}"
        self.buckets[name][wrap] = (context, key)
        return GeneratedKey(key, wrap)

    async def unwrap(self, name: str, context: bytes, wrap: str) -> bytes:
        self._called("unwrap")
        bound, key = self.buckets[name].get(wrap, (b"", b""))
        if bound != context:
            raise WrapRefused(RefusalReason.not_authentic)
        return bytes(32) if self.swapped else key

    async def ensure_signing_key(self, name: str) -> None:
        self._called("ensure_signing_key")
        if name not in self.signing:
            self.signing[name] = []
            self.rotate_signing(name)

    def rotate_signing(self, name: str) -> None:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes_raw()
        version = PublicVersion(len(self.signing[name]) + 1, public, self.clock.now())
        self.signing[name].append((private, version))

    async def sign(self, name: str, version: int, message: bytes) -> bytes:
        self._called("sign")
        return self.signing[name][version - 1][0].sign(message)

    async def public_keys(self, name: str) -> Sequence[PublicVersion]:
        self._called("public_keys")
        return [version for _, version in self.signing[name]]

    async def ensure_hmac_key(self, name: str) -> None:
        self._called("ensure_hmac_key")
        self.hmacs.setdefault(name, secrets.token_bytes(32))

    async def hmac(self, name: str, messages: Sequence[bytes]) -> Sequence[bytes]:
        self._called("hmac")
        if name not in self.hmacs:
            raise TransitKeyMissing("There is no such key.")
        return [hmac.digest(self.hmacs[name], message, hashlib.sha256) for message in messages]


@dataclass
class State:
    """What a database holds of one tenant."""

    keys: dict[tuple[SubjectKind, str], DataKey] = field(default_factory=dict)
    buckets: list[Bucket] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)


class FakeUnits:
    """Units with a copy of the state that is put in place at the end, or dropped. `events` are those committed."""

    def __init__(self) -> None:
        self.tenants: dict[str, State] = {}
        self.events: list[DomainEvent] = []
        self.refusals: list[tuple[str | None, DomainEvent]] = []
        self.refusals_fail: CallwardError | None = None
        self.commit_fails: CallwardError | None = None
        self.shared: list[str] = []

    @asynccontextmanager
    async def begin(self, tenant_id: str) -> AsyncIterator["FakeUnit"]:
        unit = FakeUnit(copy.deepcopy(self.tenants.get(tenant_id, State())), self.shared)
        yield unit
        if self.commit_fails is not None:
            failure, self.commit_fails = self.commit_fails, None
            raise failure
        self.tenants[tenant_id] = unit.state
        self.events.extend(unit.events)

    async def record_refusal(self, tenant_id: str | None, event: DomainEvent) -> None:
        if self.refusals_fail is not None:
            raise self.refusals_fail
        self.refusals.append((tenant_id, event))


class FakeUnit:
    """One unit: data keys and buckets are the unit itself."""

    def __init__(self, state: State, shared: list[str]) -> None:
        self.state, self.events, self.shared = state, list[DomainEvent](), shared
        self.keys, self.buckets = FakeKeys(state), FakeBuckets(state, shared)

    def record(self, event: DomainEvent) -> str:
        self.events.append(event)
        return new_id()


class FakeKeys:
    def __init__(self, state: State) -> None:
        self.state = state

    async def find(self, kind: SubjectKind, subject_id: str) -> DataKey | None:
        return self.state.keys.get((kind, subject_id))

    async def lock(self, kind: SubjectKind, subject_id: str) -> DataKey | None:
        return self.state.keys.get((kind, subject_id))

    async def expired(self, now: datetime) -> Sequence[DataKey]:
        return [k for k in self.state.keys.values() if k.state is KeyState.open and k.open_until < now]

    async def add(self, key: DataKey) -> bool:
        place = (key.subject.kind, key.subject.subject_id)
        return self.state.keys.setdefault(place, key) is key

    async def save(self, key: DataKey) -> None:
        self.state.keys[key.subject.kind, key.subject.subject_id] = key


class FakeBuckets:
    def __init__(self, state: State, shared: list[str]) -> None:
        self.state, self.shared = state, shared

    async def take_place(self, group: BucketGroup, limit: int) -> Bucket | None:
        for bucket in self.state.buckets:
            if bucket.group == group and self.state.places[bucket.bucket_id] < limit:
                self.state.places[bucket.bucket_id] += 1
                return bucket
        return None

    async def last_number(self, group: BucketGroup) -> int:
        return max((bucket.number for bucket in self.state.buckets if bucket.group == group), default=0)

    async def add(self, bucket: Bucket) -> None:
        self.state.buckets.append(bucket)
        self.state.places[bucket.bucket_id] = 0

    async def share(self, transit_key: str) -> None:
        self.shared.append(transit_key)


class FakeWraps:
    """Wrap objects by key: their versions' contents."""

    def __init__(self) -> None:
        self.objects: dict[str, list[bytes]] = {}

    async def keep(self, key: str, content: bytes) -> str:
        versions = self.objects.setdefault(key, [])
        if content not in versions:
            versions.append(content)
        return f"version-{versions.index(content)}"


class FakeTenants:
    def __init__(self) -> None:
        self.active = {TENANT}

    async def is_active(self, tenant_id: str) -> bool:
        return tenant_id in self.active


@dataclass(frozen=True)
class FakePerson:
    tenant_id: str
    actor: Actor
    mfa: bool

    def demand_mfa(self) -> None:
        if not self.mfa:
            raise MfaRequired("This needs a second factor.")


class FakePeople:
    """Knows the tokens "good", "no-mfa", "foreign" and "expired"."""

    def __init__(self) -> None:
        self.people = {
            "good": FakePerson(TENANT, PERSON, mfa=True),
            "no-mfa": FakePerson(TENANT, PERSON, mfa=False),
            "foreign": FakePerson("other-clinic", PERSON, mfa=True),
        }

    async def verify(self, token: str) -> FakePerson:
        if token == "expired":
            raise TokenExpired("The token has expired.")
        if token not in self.people:
            raise TokenInvalid("The token is not valid here.")
        return self.people[token]


class FakeCheckpoints:
    """The last checkpoint of each origin: units and unit in one."""

    def __init__(self) -> None:
        self.signed: dict[str, SignedCheckpoint] = {}

    @asynccontextmanager
    async def begin(self, origin: str) -> AsyncIterator["FakeCheckpoints"]:
        yield self

    async def last(self, origin: str) -> SignedCheckpoint | None:
        return self.signed.get(origin)

    async def replace(self, checkpoint: SignedCheckpoint) -> None:
        self.signed[checkpoint.checkpoint.origin] = checkpoint


class FakePublicKeys:
    def __init__(self) -> None:
        self.keys: dict[str, PublicKey] = {}

    async def add(self, keys: Sequence[PublicKey]) -> None:
        for key in keys:
            self.keys.setdefault(key.key_id, key)

    async def page(self, size: int, after: str | None) -> Sequence[PublicKey]:
        newest = sorted(self.keys.values(), key=lambda key: (key.created_at, key.key_id), reverse=True)
        ids = [key.key_id for key in newest]
        if after is not None and after not in ids:
            raise InvalidRequest("page_token is not one of this list.")
        start = 0 if after is None else ids.index(after) + 1
        return newest[start : start + size]


class World:
    """The use cases over fakes."""

    def __init__(self, *, bucket_limit: int = 3) -> None:
        self.clock = ManualClock()
        self.transit, self.units, self.wraps = FakeTransit(self.clock), FakeUnits(), FakeWraps()
        self.tenants, self.people = FakeTenants(), FakePeople()
        self.checkpoints, self.public_keys = FakeCheckpoints(), FakePublicKeys()
        self.issuing = Issuing(
            self.units,
            self.transit,
            self.wraps,
            self.tenants,
            self.clock,
            open_for=timedelta(hours=24),
            bucket_limit=bucket_limit,
        )
        self.openings = Openings(
            self.units, self.transit, self.people, self.tenants, self.clock, lease=timedelta(seconds=60)
        )
        self.pseudonymising = Pseudonymising(self.transit, self.tenants, self.clock)
        self.keyring = SigningKeyring(self.transit, self.public_keys, self.clock)
        self.receipts = ReceiptSigning(self.units, self.keyring, self.clock)
        self.marks = MarkSigning(self.units, self.keyring, self.clock)
        self.checkpoint_signing = CheckpointSigning(self.checkpoints, self.keyring)

    def key(self, subject_id: str, kind: SubjectKind = SubjectKind.recording) -> DataKey:
        """The key on record."""
        return self.units.tenants[TENANT].keys[kind, subject_id]
