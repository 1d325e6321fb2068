"""Control marks: judged, signed, and put on record for good."""

from datetime import UTC, datetime

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_ingest.app.legs import demand_call
from callward_ingest.app.limits import Limits
from callward_ingest.app.masks import Masks
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.domain.errors import CallLimitReached, LegNotFound
from callward_ingest.domain.events import ControlMarkRecorded
from callward_ingest.domain.marks import (
    Mark,
    MarkKind,
    MarkStatement,
    NewMark,
    SignedMark,
    Spoken,
    demand_heard,
    demand_in_order,
    demand_mask_length,
)
from callward_ingest.domain.marks_late import kept_in_spite
from callward_ingest.domain.policy import demand_not_before, demand_not_future
from callward_ingest.ports import MarkSigner, Unit, Units


class Marks:
    """The use cases of control marks."""

    def __init__(
        self, *, units: Units, once: Once, signer: MarkSigner, masks: Masks, clock: Clock, limits: Limits
    ) -> None:
        self._units, self._once, self._signer, self._masks = units, once, signer, masks
        self._clock, self._limits = clock, limits

    async def record(self, request: Request, call_id: str, stated: NewMark) -> Answer:
        """Takes a mark down with its signed statement. It never changes, and silences from its moment on.

        Raises DateInFuture, DateBeforeCall, LegNotFound, MarkOutOfOrder, MaskTooLong, EvidenceSilenced and
        CallLimitReached. A statement that was signed and then lost a race is never on record.
        """
        demand_not_future(stated.at, self._clock.now(), self._limits.clock_skew, "/at")
        demand_mask_length(stated, self._limits.max_mask)

        async def prepare() -> Prepared:
            async with self._units.begin(request.tenant) as unit:
                await self._judge(unit, call_id, stated)
            statement = MarkStatement(new_id(), call_id, stated, self._clock.now(), new_id())
            signed = await self._signer.sign_mark(request.tenant, statement)
            body = _taken(statement, signed)

            async def commit(unit: Unit) -> None:
                # The answer is stored only after this: it tells what was found while the mark was put on record.
                body.update(await self._put(unit, request, statement, signed))

            return Prepared(body, commit)

        answer = await self._once.run(request, prepare)
        self._masks.forget(request.tenant, call_id)
        return answer

    async def page(
        self, tenant: str, call_id: str, *, after: int, limit: int
    ) -> tuple[list[JsonValue], int | None]:
        """Returns marks after a position in the order in which they came, and where the next page starts."""
        async with self._units.begin(tenant) as unit:
            await demand_call(unit, call_id)
            found = await unit.marks.page(call_id, after, limit + 1)
        shown: list[JsonValue] = [mark_json(mark) for mark in found[:limit]]
        return shown, found[limit - 1].position if len(found) > limit else None

    async def _judge(self, unit: Unit, call_id: str, stated: NewMark) -> int:
        """Returns how many marks there are, or raises for one that does not fit them."""
        call = await demand_call(unit, call_id)
        demand_not_before(stated.at, call.started_at, "/at")
        if stated.leg_id is not None and await unit.legs.find(call_id, stated.leg_id) is None:
            raise LegNotFound("The call has no such leg: add it first.")
        known = await unit.marks.stated(call_id)
        if len(known) >= self._limits.max_marks:
            limit = self._limits.max_marks
            raise CallLimitReached(
                f"A call has at most {limit} marks.", extra={"of": "marks", "limit": limit}
            )
        demand_in_order(stated, known)
        spoken = [Spoken(at) for at in await unit.heard.spoken(call_id)]
        demand_heard(stated, known, spoken, self._limits.max_mask)
        return len(known)

    async def _put(
        self, unit: Unit, request: Request, statement: MarkStatement, signed: SignedMark
    ) -> dict[str, JsonValue]:
        call_id, stated = statement.call_id, statement.stated
        await unit.marks.lock(call_id)
        position = await self._judge(unit, call_id, stated) + 1
        kept = kept_in_spite(stated, await unit.heard.kept(call_id), self._limits.max_mask)
        await unit.marks.add(Mark(position, statement, signed))
        unit.record(
            ControlMarkRecorded(
                actor=request.actor,
                call_id=call_id,
                mark_id=statement.mark_id,
                kind=stated.kind.value,
                leg_id=stated.leg_id or "",
                reason=stated.reason,
                at=stated.at,
                until=stated.until,
                statement_sha256=signed.sha256,
                kept_recordings=kept,
            ),
            event_id=statement.event_id,
        )
        return {"position": position, "keptRecordings": list(kept)}


def mark_json(mark: Mark) -> dict[str, JsonValue]:
    """Gives a mark as it is on record. Times to the microsecond: silence is exact to it."""
    return {**_stated(mark.statement, mark.signed), "position": mark.position}


def _stated(statement: MarkStatement, signed: SignedMark) -> dict[str, JsonValue]:
    stated = statement.stated
    return {
        "callId": statement.call_id,
        "markId": statement.mark_id,
        "kind": stated.kind.value,
        "legId": stated.leg_id,
        "reason": stated.reason or None,
        "at": _exact(stated.at),
        "until": None if stated.until is None else _exact(stated.until),
        "receivedAt": _exact(statement.received_at),
        "eventId": statement.event_id,
        "statement": signed.jws,
    }


def _taken(statement: MarkStatement, signed: SignedMark) -> dict[str, JsonValue]:
    announced = statement.stated.kind is MarkKind.announcement_played
    return {
        **_stated(statement, signed),
        # A mark says that something was played, not that consent follows from it.
        "countsAsEvidence": False,
        "evidencePath": f"/v1/calls/{statement.call_id}/evidence" if announced else None,
    }


def _exact(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
