"""How much memory uploads take: many at once, senders that stand still, a store that is slow.

`callward dev` is one process with six services, and all of it is measured: its peak (VmHWM) holds the interpreter,
the libraries and the idle services too. PostgreSQL's processes are not in it.
"""

import asyncio
import secrets
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from tests.support.audio import header
from tests.support.crowd import Crowd, Sender
from tests.support.dev_folder import dev_folder
from tests.support.journeys import consented_call
from tests.support.memory import MIB, forget_high_water, high_water, resident
from tests.support.process import DevProcess, dev
from tests.support.strace import slowed

UPLOADS, SIZE = 200, 8 * MIB
LIMIT: Final = 400 * MIB
#: A sender that waits for the others must not be taken for one that has gone.
ENVIRONMENT: Final = {"CALLWARD_INGEST_BODY_IDLE_TIMEOUT": "120"}


@pytest.fixture
def process() -> Iterator[DevProcess]:
    with dev_folder() as folder, dev(folder, ENVIRONMENT) as started:
        yield started


def sent_by(process: DevProcess, door: str, uploads: int) -> int:
    """Has many senders send at once, all of them half-way at one moment; returns the peak in bytes."""
    platform = process.wait_ready().call_platform()
    call_id = consented_call(platform)
    audio = header(SIZE - 44) + secrets.token_bytes(SIZE - 44)
    idle = resident(process.process.pid)
    forget_high_water(process.process.pid)

    async def everybody() -> Crowd:
        crowd = Crowd(uploads)
        senders = [Sender(platform, door, call_id, audio, crowd) for _ in range(uploads)]
        await asyncio.gather(*(sender.run() for sender in senders))
        return crowd

    crowd = asyncio.run(everybody())
    peak = high_water(process.process.pid)
    print(
        f"{door}: {uploads} at once, {crowd.refused} refusals on the way; "
        f"idle {idle / MIB:.0f} MiB, peak {peak / MIB:.0f} MiB"
    )
    assert crowd.most_at_once == uploads
    return peak


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("door", ["recordings", "uploads"])
def test_200_uploads_of_8_mib_at_once_stay_under_400_mib(
    process: DevProcess, door: str, record_property: Callable[[str, object], None]
) -> None:
    peak = sent_by(process, door, UPLOADS)
    record_property("peak_mib", peak // MIB)
    assert peak < LIMIT, f"{peak / MIB:.0f} MiB"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_slow_store_slows_the_senders_down_and_fills_no_memory(process: DevProcess) -> None:
    process.wait_ready()
    with slowed(process.process.pid, "write", milliseconds=20):
        peak = sent_by(process, "uploads", 40)
    assert peak < LIMIT, f"{peak / MIB:.0f} MiB"
