"""Evidence that was spoken has to be heard: what was announced or said into silence is no evidence."""

from datetime import datetime, timedelta

from callward_ingest.domain.calls import Evidence, EvidenceKind
from callward_ingest.domain.marks import Spoken, demand_audible
from callward_ingest.ports import Unit, Units

_SPOKEN = frozenset({EvidenceKind.announcement, EvidenceKind.verbal_yes})


class Audible:
    """Holds evidence of a call against its marks."""

    def __init__(self, units: Units, longest: timedelta) -> None:
        """`longest`: how long a mask lasts at most."""
        self._units, self._longest = units, longest

    async def demand(self, tenant: str, call_id: str, evidence: Evidence) -> None:
        """Raises EvidenceSilenced for an announcement or spoken consent at a moment that is masked or paused."""
        if evidence.kind not in _SPOKEN:
            return
        async with self._units.begin(tenant) as unit:
            known = await unit.marks.stated(call_id)
        demand_audible(Spoken(evidence.given_at), known, self._longest)

    async def note(self, unit: Unit, call_id: str, evidence_id: str, evidence: Evidence) -> None:
        """Puts the moment on record, so that no later silence may lie over it."""
        if evidence.kind in _SPOKEN:
            at: datetime = evidence.given_at
            await unit.heard.add_spoken(call_id, evidence_id, at)
