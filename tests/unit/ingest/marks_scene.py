"""Legs, marks and masks over fakes: one call of ten minutes ago."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.legs import Legs, NewLeg
from callward_ingest.app.limits import Limits
from callward_ingest.app.marks import Marks
from callward_ingest.app.masks import Masks
from callward_ingest.app.once import Answer, Once, Request
from callward_ingest.domain.calls import AgeGroup, Call, Direction, SealedDocument
from callward_ingest.domain.marks import MarkKind, NewMark
from tests.support.clock import START, ManualClock
from tests.unit.ingest.fakes import FakePseudonyms, MemoryUnits
from tests.unit.ingest.marks_fakes import FakeMarkSigner
from tests.unit.ingest.scene import ACTOR, TENANT

CALL = "01934e2c-7c00-7000-8000-0000000000ca"


class Scene:
    """One tenant's call of ten minutes ago, over fakes."""

    def __init__(self, **limits: Any) -> None:
        self.clock, self.units, self.signer = ManualClock(), MemoryUnits(), FakeMarkSigner()
        self.limits = Limits(**limits)
        once = Once(self.units, Fingerprints(FakePseudonyms(), self.clock), self.clock, self.limits)
        self.masks = Masks(self.units, self.clock, longest=self.limits.max_mask)
        self.legs = Legs(self.units, once, self.clock, self.limits)
        self.marks = Marks(
            units=self.units,
            once=once,
            signer=self.signer,
            masks=self.masks,
            clock=self.clock,
            limits=self.limits,
        )
        self.rows = self.units.rows(TENANT).marked
        self.units.rows(TENANT).calls[CALL] = Call(
            call_id=CALL,
            queue="cardiology",
            direction=Direction.inbound,
            started_at=START - timedelta(minutes=10),
            opened_at=START,
            age_group=AgeGroup.adult,
            document=SealedDocument(b"", b"", "k"),
            party_ids=("agent", "patient"),
        )

    async def mark(
        self, kind: str, second: float = 0.0, *, key: str | None = None, tenant: str = TENANT, **changes: Any
    ) -> Answer:
        reason = "card-data" if kind in ("mask", "pause") else ""
        stated = NewMark(MarkKind(kind), START + timedelta(seconds=second), reason=reason)
        stated = replace(stated, **changes)
        return await self.marks.record(Request(tenant, ACTOR, "calls.marks", str(stated), key), CALL, stated)

    async def leg(self, leg_id: str | None = "a", *, key: str | None = None, **changes: Any) -> Answer:
        leg = replace(NewLeg(START - timedelta(minutes=9), leg_id, 0, ("agent",)), **changes)
        return await self.legs.add(Request(TENANT, ACTOR, "calls.legs", str(leg), key), CALL, leg)

    @property
    def events(self) -> list[Any]:
        return [event for event, _ in self.units.rows(TENANT).events]

    @property
    def stored(self) -> list[NewMark]:
        return [mark.stated for mark in self.units.rows(TENANT).marked.marks.get(CALL, [])]
