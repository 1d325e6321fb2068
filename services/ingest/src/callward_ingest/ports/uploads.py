"""The rows of uploads and recordings."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from callward_common.errors import JsonValue
from callward_ingest.domain.idempotency import Claim, Claimant, StoredAnswer
from callward_ingest.domain.recordings import Attempt, Page, Part, Recording, RecordingFilter, Sealing
from callward_ingest.domain.uploads import Prepared, Upload, UploadState


class AttemptRows(Protocol):
    """The attempts of one tenant to receive a recording. A row leaves `receiving` once."""

    async def start(self, attempt: Attempt) -> None:
        """Puts an attempt on record as `receiving`."""
        ...

    async def seal(self, sealing: Sealing) -> bool:
        """Moves an attempt from `receiving` to its end with all its facts; False when it is no longer receiving."""
        ...

    async def abandon(self, recording_id: str) -> bool:
        """Moves an attempt from `receiving` to `abandoned`; False when it is no longer receiving."""
        ...


class RecordingRows(Protocol):
    """The recordings of one tenant, to read."""

    async def find(self, recording_id: str) -> tuple[Recording, bytes | None] | None:
        """Returns a recording with its manifest's exact bytes (None while there is none)."""
        ...

    async def page(self, wanted: RecordingFilter) -> Page:
        """Returns a page of recordings, newest first."""
        ...


class IdempotencyRows(Protocol):
    """The idempotency keys of one tenant."""

    async def claim(self, key: str, claimant: Claimant, now: datetime) -> Claim:
        """Takes a free key, or one whose claim has run out, for the claimant; else tells who has it."""
        ...

    async def renew(self, key: str, claimant: Claimant) -> bool:
        """Prolongs the claimant's hold; False when somebody else took the key over."""
        ...

    async def complete(self, key: str, owner: str, answer: StoredAnswer) -> bool:
        """Stores the answer of the key's owner; False when somebody else took the key over."""
        ...

    async def release(self, key: str, owner: str) -> None:
        """Frees the key that `owner` holds without an answer. Nothing happens when it holds none."""
        ...


class UploadRows(Protocol):
    """The uploads of one tenant, with the moment at which the sweeper looks at each."""

    async def add(self, upload: Upload, due_at: datetime) -> bool:
        """Puts a new upload on record; False when another one took its Idempotency-Key meanwhile."""
        ...

    async def find(self, upload_id: str, *, lock: bool = False) -> Upload | None:
        """Returns an upload; `lock` keeps it as it is until the transaction ends."""
        ...

    async def find_by_key(self, key: str) -> Upload | None:
        """Returns the resumable upload that was created with an Idempotency-Key."""
        ...

    async def open_count(self) -> int:
        """Returns how many of the tenant's uploads have not ended."""
        ...

    async def received_since(self, moment: datetime) -> int:
        """Returns the bytes that the tenant's uploads begun since then have brought."""
        ...

    async def begin(
        self, upload_id: str, offset: int, length: int | None, *, commitment: bytes | None = None
    ) -> int | None:
        """Begins an append at `offset`; returns its epoch, or None where the upload does not end there any more."""
        ...

    async def acknowledge(self, upload_id: str, epoch: int, offset: int, size: int) -> bool:
        """Acknowledges `size` more bytes: compare and swap on (offset, epoch). False when the append was overtaken."""
        ...

    async def complete_body(self, upload_id: str, epoch: int, offset: int, fingerprint: bytes | None) -> bool:
        """Marks an upload whole: from here on it is sealed, whatever happens. False when it was overtaken."""
        ...

    async def prepare(self, upload_id: str, prepared: Prepared) -> None:
        """Settles the manifest, once: sealing may be tried again and comes to the same."""
        ...

    async def finish(self, upload_id: str, answer: dict[str, JsonValue]) -> bool:
        """Ends a whole upload with its answer; False when it has ended otherwise."""
        ...

    async def give_up(self, upload_id: str, state: UploadState, reason: str) -> bool:
        """Ends an upload without a recording; False when it has ended already."""
        ...

    async def due(self, upload_id: str, due_at: datetime) -> None:
        """Sets when the sweeper looks at an upload."""
        ...

    async def settled(self, upload_id: str) -> None:
        """Takes an upload off the sweeper's list: nothing is left to do."""
        ...


class PartRows(Protocol):
    """The parts of one tenant's recordings, and the objects that are being written."""

    async def stage(self, upload_id: str, object_key: str, now: datetime) -> None:
        """Notes an object before it is written, so that a crash cannot hide it."""
        ...

    async def add(self, upload_id: str, rendition: str, number: int, part: Part) -> None:
        """Puts a part on record; its object is not one that was left behind any more."""
        ...

    async def all(self, upload_id: str, rendition: str) -> Sequence[Part]:
        """Returns the parts of a rendition, in order."""
        ...

    async def leftovers(self, upload_id: str) -> Sequence[str]:
        """Returns the keys of objects that were begun and are part of nothing."""
        ...

    async def object_keys(self, upload_id: str) -> Sequence[str]:
        """Returns the keys of every object of an upload, committed or not."""
        ...

    async def unstage(self, object_key: str) -> None:
        """Forgets an object that is part of the recording, or gone."""
        ...


class WorkList(Protocol):
    """What the sweeper has to look at, of all tenants."""

    async def take(self, now: datetime, until: datetime, limit: int) -> Sequence[tuple[str, str]]:
        """Returns (tenant, upload) of what is due, and leaves it alone for others until then."""
        ...
