"""What is needed to play a recording: asked for at every seek, so that nothing else goes along."""

from typing import Protocol

from callward_ingest.domain.errors import RecordingNotFound
from callward_ingest.domain.recordings import Recording


class MediaRows(Protocol):
    """Recordings of one tenant, for playing."""

    async def find(
        self, tenant: str, recording_id: str, known: bytes
    ) -> tuple[Recording, bytes, bytes | None] | None:
        """Returns a recording with its manifest's hash, and its bytes unless the hash is `known`; None without one."""
        ...


class Playable:
    """Finds recordings that were sealed, quarantined ones among them: whether they may be played, others decide."""

    def __init__(self, rows: MediaRows) -> None:
        self._rows = rows

    async def media(
        self, tenant: str, recording_id: str, known: bytes
    ) -> tuple[Recording, bytes, bytes | None]:
        """Returns a recording, its newest manifest's hash, and its exact bytes unless the caller holds them already."""
        found = await self._rows.find(tenant, recording_id, known)
        if found is None:
            raise RecordingNotFound("There is no such recording.")
        return found
