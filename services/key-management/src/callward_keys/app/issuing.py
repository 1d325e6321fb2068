"""Issues data keys, issues open ones again, seals them and takes them back: for ingest."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callward_common.clock import Clock
from callward_common.errors import Unavailable
from callward_common.identity import Actor
from callward_common.ids import new_id
from callward_keys.app.refusals import on_record
from callward_keys.app.subkeys import commitment_of, subkeys_of
from callward_keys.domain import policy
from callward_keys.domain.errors import KeyExists, KeyExpired, TenantNotActive
from callward_keys.domain.events import KeyIssued, KeySealed, KeyShredPending
from callward_keys.domain.model import Bucket, BucketGroup, DataKey, KeyState, Subject, Subkey, Subkeys
from callward_keys.ports import BucketKeys, Tenants, Unit, Units, Wraps

#: How often a place in a bucket is looked for again when others took the last ones meanwhile.
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Issue:
    """What a new data key is asked for with."""

    subject: Subject
    group: BucketGroup
    not_before: datetime
    upload_secret_sha256: bytes
    subkeys: Subkeys

    def __post_init__(self) -> None:
        """Refuses a secret's hash of another length."""
        policy.demand_sha256(self.upload_secret_sha256, "upload_secret_sha256")


@dataclass(frozen=True, slots=True)
class Issued:
    """A data key as it is given to ingest: id, commitment, subkeys (never shown), and until when it is open."""

    key_id: str
    commitment: bytes
    open_until: datetime
    subkeys: Sequence[Subkey] = field(repr=False)


class Issuing:
    """The use cases of DataKeyIssuer. It opens nothing that is sealed."""

    def __init__(
        self,
        units: Units,
        transit: BucketKeys,
        wraps: Wraps,
        tenants: Tenants,
        clock: Clock,
        *,
        open_for: timedelta,
        bucket_limit: int,
    ) -> None:
        """`open_for`: how long a key stays open on our clock; `bucket_limit`: data keys per bucket key."""
        self._units, self._transit, self._wraps, self._tenants, self._clock = (
            units,
            transit,
            wraps,
            tenants,
            clock,
        )
        self._open_for, self._bucket_limit = open_for, bucket_limit

    async def issue(self, actor: Actor, wanted: Issue) -> Issued:
        """Makes the data key of a subject. Raises KeyExists, TenantNotActive; TransitUnavailable leaves nothing.

        First closes a few of the tenant's open keys whose time is over: their uploads are gone, and with them the
        secret that could have given them up.
        """
        subject = wanted.subject
        async with on_record(self._units, actor, subject):
            if not await self._tenants.is_active(subject.tenant_id):
                raise TenantNotActive("The tenant is not known here or not active.")
            await self._close_expired(actor, subject.tenant_id)
            bucket = await self._take_place(subject, wanted.group)
            async with self._units.begin(subject.tenant_id) as unit:
                # Held from the transit call to the commit (sealing.md section 2): a destruction, which takes it
                # exclusively, rewraps every key on record and trims the rest. Without the lock, a key wrapped
                # before the rewrap and committed after it would die with its neighbour.
                await unit.buckets.share(bucket.transit_key)
                generated = await self._transit.generate_data_key(bucket.transit_key, subject.context)
                key = self._new_key(wanted, bucket, generated.wrap, commitment_of(generated.plaintext))
                if not await unit.keys.add(key):
                    raise KeyExists("The subject has a key.")
                unit.record(_issued(actor, key, again=False))
            return _answer(key, subkeys_of(generated.plaintext, wanted.subkeys))

    async def reissue(self, actor: Actor, subject: Subject, secret: bytes, wanted: Subkeys) -> Issued:
        """Gives the subkeys of an open key again to whoever knows the upload's secret."""
        async with on_record(self._units, actor, subject):
            async with _locked(self._units, subject, secret) as (unit, key):
                policy.demand_open(key, self._clock.now())
                data_key = await self._unwrap(key)
                unit.record(_issued(actor, key, again=True))
            return _answer(key, subkeys_of(data_key, wanted))

    async def seal(
        self, actor: Actor, subject: Subject, secret: bytes, manifest_sha256: bytes
    ) -> tuple[str, datetime]:
        """Registers the manifest and closes the key to ingest; returns its id and when.

        Sealing again with the same hash gives the same answer. The wrap object is durable before the row changes: a
        crash between the two leaves an object that the next try finds and uses.
        """
        policy.demand_sha256(manifest_sha256, "manifest_sha256")
        async with (
            on_record(self._units, actor, subject),
            _locked(self._units, subject, secret) as (unit, key),
        ):
            sealed_at = policy.sealed_before(key, manifest_sha256)
            if sealed_at is None:
                sealed_at = self._clock.now()
                policy.demand_open(key, sealed_at)
                await self._unwrap(key)
                version = await self._wraps.keep(policy.wrap_object_key(key), policy.wrap_object(key))
                await unit.keys.save(policy.seal(key, manifest_sha256, version, sealed_at))
                unit.record(KeySealed(actor, key.key_id, subject, manifest_sha256))
            return key.key_id, sealed_at

    async def abandon(self, actor: Actor, subject: Subject, secret: bytes, reason: str) -> str:
        """Marks an open key for destruction and returns its id. Giving it up again gives the same answer."""
        policy.demand_reason(reason)
        async with (
            on_record(self._units, actor, subject),
            _locked(self._units, subject, secret) as (unit, key),
        ):
            given_up = policy.abandon(key, reason)
            if given_up is not None:
                await unit.keys.save(given_up)
                unit.record(KeyShredPending(actor, key.key_id, subject, reason))
            return key.key_id

    async def _close_expired(self, actor: Actor, tenant_id: str) -> None:
        async with self._units.begin(tenant_id) as unit:
            for key in await unit.keys.expired(self._clock.now()):
                given_up = policy.abandon(key, KeyExpired.type)
                if given_up is not None:
                    await unit.keys.save(given_up)
                    unit.record(KeyShredPending(actor, key.key_id, key.subject, KeyExpired.type))

    async def _unwrap(self, key: DataKey) -> bytes:
        data_key = await self._transit.unwrap(key.transit_key, key.subject.context, key.wrap)
        policy.demand_commitment(key, commitment_of(data_key))
        return data_key

    async def _take_place(self, subject: Subject, group: BucketGroup) -> Bucket:
        """Takes a place in a bucket, making one when all are full. A place is not given back: the limit is a ceiling.

        In a short unit of its own, so that issues into one bucket wait for each other here and not for transit.
        """
        for _ in range(_TRIES):
            async with self._units.begin(subject.tenant_id) as unit:
                if await unit.keys.find(subject.kind, subject.subject_id) is not None:
                    raise KeyExists("The subject has a key.")
                bucket = await unit.buckets.take_place(group, self._bucket_limit)
                number = await unit.buckets.last_number(group) + 1
            if bucket is not None:
                return bucket
            transit_key = policy.bucket_transit_key(subject.tenant_id, group, number)
            # Before the row: a bucket on record has its key, and a crash in between costs nothing.
            await self._transit.ensure_bucket_key(transit_key)
            async with self._units.begin(subject.tenant_id) as unit:
                await unit.buckets.add(Bucket(new_id(), group, number, transit_key))
        raise Unavailable("No place in a bucket was to be had; others were faster.", retry_after=1.0)

    def _new_key(self, wanted: Issue, bucket: Bucket, wrap: str, commitment: bytes) -> DataKey:
        now = self._clock.now()
        return DataKey(
            key_id=new_id(),
            subject=wanted.subject,
            bucket_id=bucket.bucket_id,
            transit_key=bucket.transit_key,
            wrap=wrap,
            commitment=commitment,
            state=KeyState.open,
            upload_secret_sha256=wanted.upload_secret_sha256,
            open_until=now + self._open_for,
            not_before=wanted.not_before,
            issued_at=now,
        )


@asynccontextmanager
async def _locked(units: Units, subject: Subject, secret: bytes) -> AsyncIterator[tuple[Unit, DataKey]]:
    """Begins a unit with the subject's key locked and its secret checked: first the bucket's lock, then the row's.

    The bucket's lock is held to the commit here too: the wrap that is opened and written into the wrap object is the
    live one, and no rewrap comes in between.
    """
    async with units.begin(subject.tenant_id) as unit:
        found = policy.demand_found(await unit.keys.find(subject.kind, subject.subject_id))
        policy.demand_secret(found, secret)
        await unit.buckets.share(found.transit_key)
        yield unit, policy.demand_found(await unit.keys.lock(subject.kind, subject.subject_id))


def _issued(actor: Actor, key: DataKey, *, again: bool) -> KeyIssued:
    return KeyIssued(actor, key.key_id, key.subject, key.transit_key, key.commitment, again)


def _answer(key: DataKey, subkeys: Sequence[Subkey]) -> Issued:
    return Issued(key.key_id, key.commitment, key.open_until, subkeys)
