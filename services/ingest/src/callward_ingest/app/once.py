"""Small requests that act once per Idempotency-Key."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.identity import Actor
from callward_common.ids import new_id
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.limits import Limits
from callward_ingest.domain.errors import IdempotencyKeyInUse, IdempotencyKeyReused
from callward_ingest.domain.fingerprints import same_fingerprint
from callward_ingest.domain.idempotency import Claimant, ClaimOutcome, StoredAnswer
from callward_ingest.ports import Unit, Units

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Request:
    """A small request: who sends it, what it does, and its body in canonical form (PHI: never shown)."""

    tenant: str
    actor: Actor
    operation: str
    canonical: str = field(repr=False)
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Prepared:
    """What a request comes to: the answer, and what has to be put on record in one transaction with it."""

    body: dict[str, JsonValue]
    commit: Callable[[Unit], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request; `replayed` when it was stored by an earlier one with the same key."""

    body: dict[str, JsonValue]
    replayed: bool = False


class Once:
    """Runs a request once per key: again with the same content gives the stored answer, with other content 409."""

    def __init__(self, units: Units, fingerprints: Fingerprints, clock: Clock, limits: Limits) -> None:
        self._units = units
        self._fingerprints = fingerprints
        self._clock = clock
        self._limits = limits

    async def run(self, request: Request, prepare: Callable[[], Awaitable[Prepared]]) -> Answer:
        """Prepares, commits and answers, or gives the stored answer. Without a key every request acts."""
        if request.key is None:
            prepared = await prepare()
            async with self._units.begin(request.tenant) as unit:
                await prepared.commit(unit)
            return Answer(prepared.body)
        owner = new_id()
        stored = await self._claim(request, request.key, owner)
        if stored is not None:
            return await self._compared(request, stored)
        try:
            return await self._act(request, request.key, owner, prepare)
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._release(request.tenant, request.key, owner)))
            raise

    async def _claim(self, request: Request, key: str, owner: str) -> StoredAnswer | None:
        now = self._clock.now()
        claimant = Claimant(owner, now + self._limits.claim_hold)
        async with self._units.begin(request.tenant) as unit:
            claim = await unit.idempotency.claim(key, claimant, now)
        if claim.outcome is ClaimOutcome.in_use:
            raise key_in_use(self._limits)
        return claim.answer

    async def _compared(self, request: Request, stored: StoredAnswer) -> Answer:
        key = await self._fingerprints.of_day(request.tenant, stored.fingerprint_day)
        mac = key.start(request.operation, request.canonical)
        if not same_fingerprint(mac.digest(), stored.fingerprint):
            raise key_reused()
        return Answer(stored.body, replayed=True)

    async def _act(
        self, request: Request, key: str, owner: str, prepare: Callable[[], Awaitable[Prepared]]
    ) -> Answer:
        today = await self._fingerprints.today(request.tenant)
        prepared = await prepare()
        fingerprint = today.start(request.operation, request.canonical).digest()
        async with self._units.begin(request.tenant) as unit:
            await prepared.commit(unit)
            answer = StoredAnswer(fingerprint, today.day, prepared.body)
            if not await unit.idempotency.complete(key, owner, answer):
                raise key_in_use(self._limits)
        return Answer(prepared.body)

    async def _release(self, tenant: str, key: str, owner: str) -> None:
        try:
            async with self._units.begin(tenant) as unit:
                await unit.idempotency.release(key, owner)
        except Exception:
            # The hold runs out by itself: a retry within it gets 409 and Retry-After.
            _log.warning("idempotency key not released", exc_info=True)


def key_in_use(limits: Limits) -> IdempotencyKeyInUse:
    """Gives the error for a key whose first request is still under way."""
    return IdempotencyKeyInUse(
        "A request with this Idempotency-Key is under way.", retry_after=limits.retry_after_seconds
    )


def key_reused() -> IdempotencyKeyReused:
    """Gives the error for a key that stands for another request."""
    return IdempotencyKeyReused("This Idempotency-Key was used for another request.")
