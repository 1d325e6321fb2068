"""Refusals at the door, put on record."""

import logging
from collections import OrderedDict

from callward_common.clock import Clock
from callward_common.identity import Actor
from callward_ingest.domain.events import AccessDenied
from callward_ingest.ports import Units

_log = logging.getLogger(__name__)
_TENANTS = 1024


class Denials:
    """Puts refusals on record, at most `per_minute` a tenant; more stand in the log and the HTTP metrics alone.

    A caller that could not be identified has no tenant: all of them together count as one, the empty one, so that
    nobody without a token can fill a ledger that is kept for years.
    """

    def __init__(self, units: Units, clock: Clock, *, per_minute: int) -> None:
        self._units = units
        self._clock = clock
        self._per_minute = per_minute
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    async def record(self, tenant: str, actor: Actor, action: str, reason: str) -> None:
        """Records a refusal: `action` is the operation's name, `reason` the problem's type, `tenant` empty if unknown."""
        _log.info("request refused", extra={"reason": reason, "rpc": action, "tenant_id": tenant})
        if not self._within_rate(tenant):
            return
        async with self._units.begin(tenant) as unit:
            unit.record(AccessDenied(actor, action, reason))

    def _within_rate(self, tenant: str) -> bool:
        now = self._clock.monotonic()
        since, count = self._windows.pop(tenant, (now, 0))
        if now - since >= 60:
            since, count = now, 0
        self._windows[tenant] = (since, count + 1)
        if len(self._windows) > _TENANTS:
            self._windows.popitem(last=False)
        if count == self._per_minute:
            _log.warning("refusals of a tenant exceed the rate of events", extra={"tenant_id": tenant})
        return count < self._per_minute
