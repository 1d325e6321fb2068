"""Legs: adding and listing the lines of a call."""

from dataclasses import dataclass, replace
from datetime import datetime

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_ingest.app.answers import moment
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.domain.calls import Call
from callward_ingest.domain.errors import CallLimitReached, CallNotFound, LegExists, UnknownParty
from callward_ingest.domain.legs import Leg
from callward_ingest.domain.policy import demand_not_before, demand_not_future
from callward_ingest.ports import Unit, Units


@dataclass(frozen=True, slots=True)
class NewLeg:
    """A leg as a call platform states it. `leg_id` None: it has no name of its own yet."""

    started_at: datetime
    leg_id: str | None = None
    channel: int | None = None
    party_ids: tuple[str, ...] = ()


class Legs:
    """The use cases of legs."""

    def __init__(self, units: Units, once: Once, clock: Clock, limits: Limits) -> None:
        self._units, self._once, self._clock, self._limits = units, once, clock, limits

    async def add(self, request: Request, call_id: str, stated: NewLeg) -> Answer:
        """Takes a leg down. The same leg again changes nothing; another of its id raises LegExists."""
        now = self._clock.now()
        demand_not_future(stated.started_at, now, self._limits.clock_skew, "/startedAt")
        leg = Leg(
            leg_id=stated.leg_id or new_id(),
            started_at=stated.started_at,
            recorded_at=now,
            channel=stated.channel,
            party_ids=stated.party_ids,
        )

        async def prepare() -> Prepared:
            async with self._units.begin(request.tenant) as unit:
                call = await demand_call(unit, call_id)
            _demand_parties(leg, call)
            demand_not_before(leg.started_at, call.started_at, "/startedAt")
            body = leg_json(call_id, leg)

            async def commit(unit: Unit) -> None:
                # What is on record is what is answered: the answer is stored only after this.
                body.update(leg_json(call_id, await self._put(unit, call_id, leg)))

            return Prepared(body, commit)

        return await self._once.run(request, prepare)

    async def all(self, tenant: str, call_id: str) -> list[JsonValue]:
        """Returns the legs of a call in the order in which they were added."""
        async with self._units.begin(tenant) as unit:
            await demand_call(unit, call_id)
            return [leg_json(call_id, leg) for leg in await unit.legs.all(call_id)]

    async def _put(self, unit: Unit, call_id: str, leg: Leg) -> Leg:
        await unit.marks.lock(call_id)
        found = await unit.legs.find(call_id, leg.leg_id)
        if found is not None:
            if replace(leg, recorded_at=found.recorded_at) != found:
                raise LegExists("The call has a leg of this id with other properties.")
            return found
        limit = self._limits.max_legs
        if await unit.legs.count(call_id) >= limit:
            raise CallLimitReached(f"A call has at most {limit} legs.", extra={"of": "legs", "limit": limit})
        await unit.legs.add(call_id, leg)
        return leg


def leg_json(call_id: str, leg: Leg) -> dict[str, JsonValue]:
    """Gives a leg as it is on record."""
    return {
        "callId": call_id,
        "legId": leg.leg_id,
        "channel": leg.channel,
        "startedAt": moment(leg.started_at),
        "recordedAt": moment(leg.recorded_at),
        "partyIds": list(leg.party_ids),
    }


async def demand_call(unit: Unit, call_id: str) -> Call:
    """Returns the call, or raises CallNotFound: another tenant's looks the same."""
    call = await unit.calls.find(call_id)
    if call is None:
        raise CallNotFound("There is no such call.")
    return call


def _demand_parties(leg: Leg, call: Call) -> None:
    # None: calls taken down by an earlier version kept their parties sealed.
    if call.party_ids is not None and not set(leg.party_ids) <= set(call.party_ids):
        raise UnknownParty("The call has no such party.", extra={"pointer": "/partyIds"})
