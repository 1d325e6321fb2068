"""Wrap objects in an object store of key-management's own: it can never read audio."""

from collections.abc import AsyncIterator

from callward_common.objects.store import ObjectStore


class WrapObjects:
    """Keeps wrap objects. Versions never change, so nothing is ever overwritten."""

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects

    async def keep(self, key: str, content: bytes) -> str:
        """Makes `content` durable under `key` and returns its version.

        An equal version that is there already is used: a try that crashed before its commit wrote it.
        """
        async for stored in self._objects.versions(key):
            if stored.key == key and stored.size == len(content):
                found = b"".join([chunk async for chunk in self._objects.read(key, stored.version_id)])
                if found == content:
                    return stored.version_id
        return (await self._objects.put(key, _once(content))).version_id


async def _once(content: bytes) -> AsyncIterator[bytes]:
    yield content
