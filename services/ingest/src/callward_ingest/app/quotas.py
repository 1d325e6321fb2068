"""How much a tenant may have under way, and bring in within a day."""

from datetime import timedelta

from callward_common.clock import Clock
from callward_ingest.app.limits import Limits
from callward_ingest.domain.errors import TooManyUploads
from callward_ingest.ports import Units

_DAY = timedelta(days=1)


class Quotas:
    """Counts what is on record, so that it holds for all processes together."""

    def __init__(self, units: Units, clock: Clock, limits: Limits) -> None:
        self._units, self._clock, self._limits = units, clock, limits

    async def demand_room(self, tenant: str) -> None:
        """Raises TooManyUploads when the tenant has no room for another upload."""
        limits = self._limits
        async with self._units.begin(tenant) as unit:
            if await unit.uploads.open_count() >= limits.max_open_uploads:
                raise TooManyUploads(
                    f"The tenant has {limits.max_open_uploads} uploads open: complete or cancel some.",
                    extra={"limit": limits.max_open_uploads},
                    retry_after=60.0,
                )
            if not limits.max_bytes_a_day:
                return
            if await unit.uploads.received_since(self._clock.now() - _DAY) >= limits.max_bytes_a_day:
                raise TooManyUploads(
                    f"The tenant has brought {limits.max_bytes_a_day} bytes in within a day.",
                    extra={"limit": limits.max_bytes_a_day},
                    retry_after=3600.0,
                )
