"""Fakes of what legs and marks need: rows in memory, and a signer."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from callward_common.errors import CallwardError
from callward_ingest.domain.legs import Leg
from callward_ingest.domain.marks import Mark, MarkStatement, NewMark, SignedMark
from callward_ingest.domain.marks_late import KeptSound


@dataclass
class MarkedRows:
    """The legs, marks and spoken moments of one tenant, and the recordings that a test says are kept."""

    legs: dict[str, list[Leg]] = field(default_factory=dict)
    marks: dict[str, list[Mark]] = field(default_factory=dict)
    spoken: dict[str, dict[str, datetime]] = field(default_factory=dict)
    kept: dict[str, list[KeptSound]] = field(default_factory=dict)
    locked: list[str] = field(default_factory=list)


class MemoryLegs:
    def __init__(self, rows: MarkedRows) -> None:
        self._rows = rows

    async def add(self, call_id: str, leg: Leg) -> None:
        assert await self.find(call_id, leg.leg_id) is None
        self._rows.legs.setdefault(call_id, []).append(leg)

    async def find(self, call_id: str, leg_id: str) -> Leg | None:
        return next((leg for leg in self._rows.legs.get(call_id, []) if leg.leg_id == leg_id), None)

    async def all(self, call_id: str) -> Sequence[Leg]:
        return list(self._rows.legs.get(call_id, []))

    async def count(self, call_id: str) -> int:
        return len(self._rows.legs.get(call_id, []))


class MemoryMarks:
    def __init__(self, rows: MarkedRows) -> None:
        self._rows = rows

    async def lock(self, call_id: str) -> None:
        self._rows.locked.append(call_id)

    async def add(self, mark: Mark) -> None:
        marks = self._rows.marks.setdefault(mark.statement.call_id, [])
        assert mark.statement.call_id in self._rows.locked
        assert mark.position == len(marks) + 1
        marks.append(mark)

    async def page(self, call_id: str, after: int, limit: int) -> Sequence[Mark]:
        return self._rows.marks.get(call_id, [])[after : after + limit]

    async def stated(self, call_id: str) -> Sequence[NewMark]:
        return [mark.stated for mark in self._rows.marks.get(call_id, [])]

    async def count(self, call_id: str) -> int:
        return len(self._rows.marks.get(call_id, []))


class MemoryHeard:
    def __init__(self, rows: MarkedRows) -> None:
        self._rows = rows

    async def add_spoken(self, call_id: str, evidence_id: str, at: datetime) -> None:
        self._rows.spoken.setdefault(call_id, {}).setdefault(evidence_id, at)

    async def spoken(self, call_id: str) -> Sequence[datetime]:
        return list(self._rows.spoken.get(call_id, {}).values())

    async def kept(self, call_id: str) -> Sequence[KeptSound]:
        return list(self._rows.kept.get(call_id, []))


class FakeMarkSigner:
    """Signs with a hash. `before_answer` stands for what others do meanwhile."""

    def __init__(self) -> None:
        self.failing: CallwardError | None = None
        self.statements: list[MarkStatement] = []

    async def sign_mark(self, tenant: str, statement: MarkStatement) -> SignedMark:
        if self.failing is not None:
            raise self.failing
        self.statements.append(statement)
        jws = f"mark.{statement.mark_id}.{statement.stated.kind}"
        return SignedMark(jws, hashlib.sha256(jws.encode()).digest())
