"""The adapters that the transit suite runs on."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest

from callward_embedded.key_ring import LocalTransit
from callward_keys.ports import BucketKeyAdmin, BucketKeyRemoval, BucketKeys, Pseudonyms, SigningKeys
from tests.support.clock import ManualClock


class FullTransit(BucketKeys, BucketKeyAdmin, BucketKeyRemoval, SigningKeys, Pseudonyms, Protocol):
    """All ports to transit at once."""


@asynccontextmanager
async def local(folder: Path) -> AsyncIterator[FullTransit]:
    """The key ring of the embedded platform."""
    transit = LocalTransit(folder / "transit", ManualClock())
    try:
        yield transit
    finally:
        await transit.close()


#: Name → a way to open one, given a folder of its own. A production adapter joins by one line.
ADAPTERS: dict[str, Callable[[Path], AbstractAsyncContextManager[FullTransit]]] = {
    "local": local,
}


@pytest.fixture(params=sorted(ADAPTERS))
async def transit(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[FullTransit]:
    async with ADAPTERS[request.param](tmp_path) as opened:
        yield opened


@pytest.fixture
def name() -> str:
    """A name that no other test uses: an adapter's server may outlive a test."""
    return f"test.{uuid4()}"


@pytest.fixture
async def bucket(transit: FullTransit, name: str) -> str:
    await transit.ensure_bucket_key(name)
    return name
