"""Opens sealed keys for people: key-management checks the person itself, and puts every opening on record first."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from callward_common.clock import Clock
from callward_common.errors import CallwardError
from callward_common.identity import ANONYMOUS, Actor
from callward_keys.app.refusals import is_refusal
from callward_keys.app.subkeys import commitment_of, subkey_of
from callward_keys.domain import policy
from callward_keys.domain.errors import KeyNotFound
from callward_keys.domain.events import KeyOpened, KeyRefused
from callward_keys.domain.model import DataKey, Subject, Subkeys
from callward_keys.domain.purposes import demand_purpose
from callward_keys.ports import BucketKeys, People, Tenants, Unit, Units

METADATA = "metadata"
#: On record when a token's tenant is not the one the gateway acts for; the answer is that there is no such key.
TENANT_MISMATCH = "tenant-mismatch"


@dataclass(frozen=True, slots=True)
class Opening:
    """What a key is asked to be opened with. `rendition` None: the metadata subkey."""

    subject: Subject
    person_token: str = field(repr=False)
    rendition: str | None
    purpose: str
    grant_event_id: str

    def __post_init__(self) -> None:
        """Refuses a malformed name of a rendition."""
        if self.rendition is not None:
            Subkeys((self.rendition,), metadata=False)


@dataclass(frozen=True, slots=True)
class Lease:
    """One subkey (32 bytes, never shown) until `expires_at`, with the manifest's hash registered at sealing."""

    key_id: str
    subkey: bytes = field(repr=False)
    manifest_sha256: bytes
    expires_at: datetime
    event_id: str


class Openings:
    """The use case of DataKeyOpener."""

    def __init__(
        self,
        units: Units,
        transit: BucketKeys,
        people: People,
        tenants: Tenants,
        clock: Clock,
        *,
        lease: timedelta,
    ) -> None:
        """`lease`: how long a subkey may be used, at most 60 s (sealing.md section 2)."""
        self._units, self._transit, self._people, self._tenants = units, transit, people, tenants
        self._clock, self._lease = clock, lease

    async def open(self, wanted: Opening) -> Lease:
        """Opens one subkey for the person behind the token. KeyOpened is committed when this returns.

        Raises the token errors, UnknownPurpose, KeyNotFound (also for another tenant's subject), KeyNotSealed,
        KeyShredded: all on record as KeyRefused.
        """
        actor, tenant, reason = ANONYMOUS, await self._known(wanted.subject.tenant_id), ""
        try:
            person = await self._people.verify(wanted.person_token)
            actor, tenant = person.actor, person.tenant_id
            if person.tenant_id != wanted.subject.tenant_id:
                reason = TENANT_MISMATCH
                raise KeyNotFound("The tenant has no key for this subject.")
            person.demand_mfa()
            demand_purpose(wanted.purpose)
            return await self._open(actor, wanted)
        except CallwardError as error:
            if is_refusal(error):
                refused = KeyRefused(actor, wanted.subject, reason or error.type)
                await self._units.record_refusal(tenant, refused)
            raise

    async def _open(self, actor: Actor, wanted: Opening) -> Lease:
        subject = wanted.subject
        async with self._units.begin(subject.tenant_id) as unit:
            key = policy.demand_found(await unit.keys.lock(subject.kind, subject.subject_id))
            policy.demand_sealed(key)
            data_key = await self._transit.unwrap(key.transit_key, subject.context, key.wrap)
            policy.demand_commitment(key, commitment_of(data_key))
            # Returned when the block has ended: the unit is committed then, and with it the event (sealing.md 2).
            return await self._lease_of(unit, actor, wanted, key, data_key)

    async def _lease_of(
        self, unit: Unit, actor: Actor, wanted: Opening, key: DataKey, data_key: bytes
    ) -> Lease:
        assert key.manifest_sha256 is not None
        now = self._clock.now()
        expires_at = now + self._lease
        await unit.keys.save(policy.opened(key, now))
        event_id = unit.record(
            KeyOpened(
                actor=actor,
                key_id=key.key_id,
                subject=key.subject,
                subkey=wanted.rendition or METADATA,
                purpose=wanted.purpose,
                grant_event_id=wanted.grant_event_id,
                lease_expires_at=expires_at,
            )
        )
        subkey = subkey_of(data_key, wanted.rendition)
        return Lease(key.key_id, subkey.key, key.manifest_sha256, expires_at, event_id)

    async def _known(self, tenant_id: str) -> str | None:
        return tenant_id if await self._tenants.is_active(tenant_id) else None
