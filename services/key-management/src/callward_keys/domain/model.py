"""Data keys, their states and the buckets that group them."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from callward_common.errors import InvalidRequest

HASH_BYTES = 32
#: Retention classes as they stand in the names of transit keys. No dot: it separates the parts of a name.
RETENTION_CLASS = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
#: Tenants as they stand in the names of transit keys.
TENANT_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")
EXPIRY_MONTH = re.compile(r"(?:19[7-9]|2[0-9]{2})[0-9]-(?:0[1-9]|1[0-2])")
RENDITION = re.compile(r"[a-z][a-z0-9-]{0,31}")
MAX_RENDITIONS = 16


class SubjectKind(StrEnum):
    """What a data key belongs to."""

    recording = "recording"
    call = "call"
    call_revision = "call-revision"


class KeyState(StrEnum):
    """The states of a data key. A key only ever moves down this list."""

    open = "open"
    sealed = "sealed"
    shred_pending = "shred_pending"
    destroyed = "destroyed"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a data key is for: a recording, a call or a call's revision of a tenant, by its id (UUIDv7)."""

    tenant_id: str
    kind: SubjectKind
    subject_id: str

    def __post_init__(self) -> None:
        """Refuses a tenant that could not stand in a name."""
        if TENANT_ID.fullmatch(self.tenant_id) is None:
            raise InvalidRequest("tenant_id is not a tenant's id.")

    @property
    def context(self) -> bytes:
        """The context of transit's key derivation: it binds a wrap to its recording or call (sealing.md section 2)."""
        return self.subject_id.encode()


@dataclass(frozen=True, slots=True)
class Subkeys:
    """Which subkeys of a data key somebody asks for: renditions by name, and the metadata subkey."""

    renditions: tuple[str, ...]
    metadata: bool

    def __post_init__(self) -> None:
        """Refuses names that are malformed, repeated or too many."""
        if len(self.renditions) > MAX_RENDITIONS:
            raise InvalidRequest(f"At most {MAX_RENDITIONS} renditions can be asked for.")
        if len(set(self.renditions)) != len(self.renditions):
            raise InvalidRequest("A rendition is asked for twice.")
        if not all(RENDITION.fullmatch(name) for name in self.renditions):
            raise InvalidRequest("A rendition's name is malformed.")


@dataclass(frozen=True, slots=True)
class Subkey:
    """One derived subkey (32 bytes, never shown). `rendition` None: the metadata subkey."""

    rendition: str | None
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class BucketGroup:
    """What the keys of a bucket have in common: they end in one class and month."""

    retention_class: str
    expiry_month: str

    def __post_init__(self) -> None:
        """Refuses what could not stand in a name of a transit key."""
        if RETENTION_CLASS.fullmatch(self.retention_class) is None:
            raise InvalidRequest(
                "retention_class is malformed: lower-case letters, digits, '-' and '_', at most 64."
            )
        if EXPIRY_MONTH.fullmatch(self.expiry_month) is None:
            raise InvalidRequest('expiry_month is not a month "YYYY-MM".')


@dataclass(frozen=True, slots=True)
class Bucket:
    """One transit key with at most a limit of data keys under it."""

    bucket_id: str
    group: BucketGroup
    number: int
    transit_key: str


@dataclass(frozen=True, slots=True)
class DataKey:
    """A data key as it is on record: its wrap and commitment, never itself."""

    key_id: str
    subject: Subject
    bucket_id: str
    transit_key: str
    wrap: str
    commitment: bytes
    state: KeyState
    upload_secret_sha256: bytes
    open_until: datetime
    not_before: datetime
    issued_at: datetime
    manifest_sha256: bytes | None = None
    wrap_version: str | None = None
    sealed_at: datetime | None = None
    shred_reason: str | None = None
    last_opened_at: datetime | None = None
