"""Reading what is on record: for senders, and for the access gateway."""

from collections.abc import Sequence

from callward_common.errors import JsonValue
from callward_ingest.app.answers import call_json, recording_json
from callward_ingest.domain.calls import Call
from callward_ingest.domain.errors import CallNotFound, RecordingNotFound
from callward_ingest.domain.marks import Mark
from callward_ingest.domain.recordings import Page, Recording, RecordingFilter, RecordingState
from callward_ingest.domain.revisions import Revision
from callward_ingest.ports import Consent, Units

_ALL_STATES = tuple(RecordingState)
_RECORDINGS_OF_A_CALL = 100


class Reading:
    """Reads calls and recordings of one tenant; another tenant's are not found."""

    def __init__(self, units: Units, consent: Consent) -> None:
        self._units = units
        self._consent = consent

    async def call(self, tenant: str, call_id: str) -> dict[str, JsonValue]:
        """Returns a call with a fresh decision and its newest 100 recordings, without any identifying field."""
        wanted = RecordingFilter(states=_ALL_STATES, limit=_RECORDINGS_OF_A_CALL, call_id=call_id)
        async with self._units.begin(tenant) as unit:
            call = await unit.calls.find(call_id)
            if call is None:
                raise CallNotFound("There is no such call.")
            page = await unit.recordings.page(wanted)
            legs, marks = await unit.legs.count(call_id), await unit.marks.count(call_id)
        decision = await self._consent.may_record(tenant, call_id)
        shown = call_json(call, decision, page.recordings, page.more)
        return {**shown, "legs": legs, "marks": marks}

    async def recording(self, tenant: str, recording_id: str) -> dict[str, JsonValue]:
        """Returns a recording as its sender may see it: state, reasons, receipt."""
        recording, _ = await self._find(tenant, recording_id)
        return recording_json(recording)

    async def receipt(self, tenant: str, recording_id: str) -> str:
        """Returns the receipt (compact JWS) of a recording that has one."""
        recording, _ = await self._find(tenant, recording_id)
        if recording.receipt is None:
            raise RecordingNotFound("There is no receipt for this recording.")
        return recording.receipt.jws

    async def page(self, tenant: str, wanted: RecordingFilter) -> Page:
        """Returns a page of recordings, newest first."""
        async with self._units.begin(tenant) as unit:
            return await unit.recordings.page(wanted)

    async def sealed(self, tenant: str, recording_id: str) -> tuple[Recording, bytes, Call]:
        """Returns a sealed or quarantined recording with its manifest's exact bytes and its call."""
        async with self._units.begin(tenant) as unit:
            found = await unit.recordings.find(recording_id)
            if found is None or found[1] is None:
                raise RecordingNotFound("There is no such recording.")
            recording, manifest = found
            call = await unit.calls.find(recording.call_id)
        if call is None or manifest is None:
            raise RecordingNotFound("There is no such recording.")
        return recording, manifest, call

    async def revisions(self, tenant: str, call_id: str) -> Sequence[Revision]:
        """Returns the revisions of a call with their sealed documents, in the order of their numbers."""
        async with self._units.begin(tenant) as unit:
            return await unit.revisions.all(call_id)

    async def marks(self, tenant: str, call_id: str, limit: int) -> tuple[Sequence[Mark], bool]:
        """Returns the first marks of a call in the order in which they came, and whether there are more."""
        async with self._units.begin(tenant) as unit:
            found = await unit.marks.page(call_id, 0, limit + 1)
        return found[:limit], len(found) > limit

    async def _find(self, tenant: str, recording_id: str) -> tuple[Recording, bytes | None]:
        async with self._units.begin(tenant) as unit:
            found = await unit.recordings.find(recording_id)
        if found is None:
            raise RecordingNotFound("There is no such recording.")
        return found
