"""Listing recordings and viewing what is known of one."""

from collections.abc import Awaitable, Callable

from callward_access.app.guard import Guard
from callward_access.app.metadata import MetadataReader
from callward_access.domain.errors import (
    PolicyForbids,
    PurposeRequired,
    RecordingNotFound,
    UnknownPurpose,
)
from callward_access.domain.history import Metadata
from callward_access.domain.model import Act, Page, Recording, Summary
from callward_access.domain.purposes import demand_purpose
from callward_access.ports import (
    Consent,
    Denied,
    Granted,
    Keys,
    Listed,
    MediaReader,
    Person,
    Recordings,
    Units,
)
from callward_common.errors import InvalidRequest
from callward_common.ids import new_id, parse_id


class RecordingsApp:
    """Lists without identifying fields; opens those fields as an act of its own."""

    def __init__(
        self,
        guard: Guard,
        recordings: Recordings,
        consent: Consent,
        keys: Keys,
        media: MediaReader,
        units: Units,
    ) -> None:
        self._guard = guard
        self._recordings = recordings
        self._consent = consent
        self._metadata = MetadataReader(guard, keys, media)
        self._units = units

    async def list(self, person: Person, *, page_size: int, page_token: str, queue: str) -> Page:
        """Return a page of sealed recordings, newest first."""
        answer = await self._guard.demand_list(person)
        page = await self._recordings.list(
            person.tenant_id, page_size=page_size, page_token=page_token, queue=queue
        )
        async with self._units.begin(person.tenant_id) as unit:
            unit.record(Listed(person.actor, len(page.recordings), answer.policies))
        return page

    async def show(self, person: Person, recording_id: str) -> Recording:
        """Return one recording, of which the door shows what lists show, and its marks. Raises RecordingNotFound."""
        answer = await self._guard.demand_list(person)
        recording_id = await self.named(person, Act.list, recording_id)
        recording = await self.find(person, Act.list, recording_id)
        async with self._units.begin(person.tenant_id) as unit:
            unit.record(Listed(person.actor, 1, answer.policies))
        return recording

    async def view(self, person: Person, recording_id: str, purpose: str | None) -> tuple[Summary, Metadata]:
        """Open the sealed metadata of a recording's call: who called whom, about which patient."""
        recording_id = await self.named(person, Act.view, recording_id)
        code = await self.purpose(person, Act.view, recording_id, purpose)
        recording = await self.find(person, Act.view, recording_id)
        answer = await self._guard.demand(person, Act.view, recording, code, None)
        await self._guard.demand_audit(person, Act.view, recording_id, code)
        grant = Granted(new_id(), person.actor, recording_id, Act.view, code, answer.policies)
        async with self._units.begin(person.tenant_id) as unit:
            unit.record(grant)
        return recording.summary, await self._metadata.open(person, recording, grant)

    async def refuse_download(self, person: Person, recording_id: str, purpose: str | None) -> None:
        """Ask the policies for a download and refuse it in any case: nothing here serves one. Raises PolicyForbids."""
        recording_id = await self.named(person, Act.download, recording_id)
        code = await self.purpose(person, Act.download, recording_id, purpose)
        recording = await self.find(person, Act.download, recording_id)
        use = await self._consent.playback(person.tenant_id, recording.summary.call_id)
        answer = await self._guard.demand(person, Act.download, recording, code, use)
        error = PolicyForbids("downloads are not served", extra={"policies": []})
        denial = Denied(person.actor, Act.download, error.type, recording_id, code, answer.policies)
        raise await self._guard.refused(person, denial, error)

    async def named(self, person: Person, act: Act, text: str) -> str:
        """Return a recording's id, or raise RecordingNotFound, on record without the text: it may be anything."""
        try:
            return parse_id(text)
        except InvalidRequest:
            error = RecordingNotFound("there is no recording with this id")
            raise await self._guard.refused(person, Denied(person.actor, act, error.type), error) from None

    async def find(self, person: Person, act: Act, recording_id: str) -> Recording:
        """Return the recording; that there is none is put on record. Raises RecordingNotFound."""
        return await self._found(self._recordings.get, person, act, recording_id)

    async def playable(self, person: Person, recording_id: str) -> Recording:
        """Return the recording as far as it is played; that there is none is put on record. Raises RecordingNotFound."""
        return await self._found(self._recordings.media, person, Act.listen, recording_id)

    async def _found(
        self, read: Callable[[str, str], Awaitable[Recording]], person: Person, act: Act, recording_id: str
    ) -> Recording:
        try:
            return await read(person.tenant_id, recording_id)
        except RecordingNotFound as error:
            denial = Denied(person.actor, act, error.type, recording_id)
            raise await self._guard.refused(person, denial, error) from None

    async def purpose(self, person: Person, act: Act, recording_id: str, purpose: str | None) -> str:
        """Return the purpose; that there is none is put on record. Raises PurposeRequired or UnknownPurpose."""
        try:
            return demand_purpose(purpose)
        except (PurposeRequired, UnknownPurpose) as error:
            denial = Denied(person.actor, act, error.type, recording_id)
            raise await self._guard.refused(person, denial, error) from None
