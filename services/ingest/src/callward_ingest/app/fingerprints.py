"""Gets fingerprint keys from key-management and keeps them in memory for as long as they are likely to be used."""

from collections import OrderedDict
from datetime import UTC, date

from callward_common.clock import Clock
from callward_ingest.domain.fingerprints import FingerprintKey
from callward_ingest.ports import Pseudonyms

_CAPACITY = 1024


class Fingerprints:
    """Fingerprint keys by tenant and day; at most 1,024 in memory, the least recently used dropped first."""

    def __init__(self, pseudonyms: Pseudonyms, clock: Clock) -> None:
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._keys: OrderedDict[tuple[str, date], FingerprintKey] = OrderedDict()

    async def today(self, tenant: str) -> FingerprintKey:
        """Returns the tenant's key of the present day in UTC."""
        return await self.of_day(tenant, self._clock.now().astimezone(UTC).date())

    async def of_day(self, tenant: str, day: date) -> FingerprintKey:
        """Returns the tenant's key of a day: an answer stored yesterday is compared under yesterday's key."""
        known = self._keys.get((tenant, day))
        if known is None:
            known = FingerprintKey(day, await self._pseudonyms.fingerprint_key(tenant, day))
            self._keys[(tenant, day)] = known
            if len(self._keys) > _CAPACITY:
                self._keys.popitem(last=False)
        self._keys.move_to_end((tenant, day))
        return known
