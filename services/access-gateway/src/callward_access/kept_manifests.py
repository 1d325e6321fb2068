"""Manifests that were read before: a recording of many parts has a large one, and every seek needs it."""

from collections import OrderedDict

from callward_access.domain.model import Manifest


class KeptManifests:
    """The manifests of the recordings asked for last, up to so many bytes in all. Ciphertext facts only."""

    def __init__(self, most_bytes: int) -> None:
        """`most_bytes`: of all manifests together; the newest is kept however large it is."""
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, str], Manifest] = OrderedDict()
        self._bytes = 0

    def get(self, tenant_id: str, recording_id: str) -> Manifest | None:
        """Return the manifest that was put last for a recording, if it is still kept."""
        found = self._kept.get((tenant_id, recording_id))
        if found is not None:
            self._kept.move_to_end((tenant_id, recording_id))
        return found

    def put(self, tenant_id: str, recording_id: str, manifest: Manifest) -> None:
        """Keep a manifest in the place of an earlier one; those asked for longest ago are dropped for it."""
        earlier = self._kept.pop((tenant_id, recording_id), None)
        self._bytes += len(manifest.raw) - (0 if earlier is None else len(earlier.raw))
        self._kept[tenant_id, recording_id] = manifest
        while self._bytes > self._most_bytes and len(self._kept) > 1:
            self._bytes -= len(self._kept.popitem(last=False)[1].raw)
