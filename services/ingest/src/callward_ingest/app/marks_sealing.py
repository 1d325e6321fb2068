"""Marks that come while a recording is being sealed: none slips between the last look and the seal."""

from dataclasses import dataclass
from datetime import timedelta

from callward_ingest.domain.errors import UploadNotSealed
from callward_ingest.domain.marks import silences
from callward_ingest.domain.marks_late import KeptSound, sounds_within
from callward_ingest.domain.masking import MaskingCode
from callward_ingest.domain.uploads import Prepared, Upload
from callward_ingest.ports import Unit, Units


@dataclass(frozen=True, slots=True)
class LastLook:
    """What was found at the last look: how many marks the call had, and codes for which the recording is kept apart."""

    marks: int
    reasons: tuple[str, ...]


class SealedMarks:
    """Judges what is about to be sealed by the marks that are on record, and holds the seal to that judgement."""

    def __init__(self, units: Units, *, longest: timedelta) -> None:
        """`longest`: how long a mask lasts at most."""
        self._units, self._longest = units, longest

    async def look(self, upload: Upload, prepared: Prepared) -> LastLook:
        """Returns `mask-not-applied` where sound that is masked by now was settled unmasked."""
        async with self._units.begin(upload.tenant) as unit:
            known = await unit.marks.stated(upload.call_id)
        clock, stated = upload.clock_started_at or upload.created_at, upload.clock_started_at is not None
        sound = KeptSound(upload.upload_id, upload.leg_id, clock, prepared.media.duration, prepared.masked)
        # Without a clock nobody knows where a mask lies, so that any mask at all is one too many.
        missed = any(
            sounds_within(sound, each.start, each.end) if stated else each.start != each.closed_at
            for each in silences(known, upload.leg_id, self._longest)
        )
        return LastLook(len(known), (MaskingCode.mask_not_applied.value,) if missed else ())

    async def hold(self, unit: Unit, call_id: str, look: LastLook) -> None:
        """Keeps marks out until the transaction that seals ends; raises UploadNotSealed when one came meanwhile.

        A mark that comes after it finds the recording sealed and names it in its answer.
        """
        await unit.marks.lock(call_id)
        if await unit.marks.count(call_id) != look.marks:
            raise UploadNotSealed("A control mark came while the recording was sealed.", retry_after=1.0)
