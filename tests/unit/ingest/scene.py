"""The use cases put together over fakes, and what tests do with them again and again."""

import struct
from collections.abc import AsyncIterator
from datetime import timedelta

from callward_common.identity import Actor, ActorKind
from callward_ingest.app.attempts import Attempts
from callward_ingest.app.background import Background
from callward_ingest.app.calls import Calls
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.giving_up import GivingUp
from callward_ingest.app.intake import StatedDigests
from callward_ingest.app.limits import Limits
from callward_ingest.app.once import Answer, Once, Request
from callward_ingest.app.reading import Reading
from callward_ingest.app.upload import Upload
from callward_ingest.app.uploads import Uploads
from callward_ingest.domain.calls import Direction, Identifying, NewCall, Party, PartyRole
from callward_ingest.domain.decisions import Outcome
from callward_ingest.domain.events import DomainEvent
from callward_ingest.manifest import encode_manifest
from tests.support.clock import ManualClock
from tests.unit.ingest.fakes import (
    FakeConsent,
    FakeKeys,
    FakePlanner,
    FakePseudonyms,
    FakeSigner,
    MemoryObjects,
    MemoryUnits,
    Rows,
)

TENANT = "mercy-general"
ACTOR = Actor(ActorKind.machine, "pbx-1", "https://machines.mercy.example")


def wav(seconds: float = 0.5, *, rate: int = 8000, channels: int = 2) -> bytes:
    """A µ-law WAV file, a party per channel."""
    audio = bytes(index * 31 % 251 for index in range(int(seconds * rate) * channels))
    header = struct.pack("<HHIIHH", 7, channels, rate, rate * channels, channels, 8)
    body = (
        b"WAVE" + b"fmt " + struct.pack("<I", 16) + header + b"data" + struct.pack("<I", len(audio)) + audio
    )
    return b"RIFF" + struct.pack("<I", len(body)) + body


async def chunked(content: bytes, size: int = 1000, failure: Exception | None = None) -> AsyncIterator[bytes]:
    """A body in chunks, which may fail at its end."""
    for start in range(0, len(content), size):
        yield content[start : start + size]
    if failure is not None:
        raise failure


class Scene:
    """One tenant's ingest over fakes."""

    def __init__(self, *outcomes: Outcome, limits: Limits | None = None) -> None:
        self.clock = ManualClock()
        self.limits = limits or Limits(max_body_bytes=1_000_000, max_parallel_uploads=4)
        self.units, self.objects = MemoryUnits(), MemoryObjects()
        self.consent, self.planner = FakeConsent(*outcomes), FakePlanner()
        self.keys, self.signer, self.pseudonyms = FakeKeys(self.clock), FakeSigner(), FakePseudonyms()
        self.background = Background()
        fingerprints = Fingerprints(self.pseudonyms, self.clock)
        self.calls = Calls(
            units=self.units,
            once=Once(self.units, fingerprints, self.clock, self.limits),
            consent=self.consent,
            planner=self.planner,
            keys=self.keys,
            pseudonyms=self.pseudonyms,
            clock=self.clock,
            limits=self.limits,
        )
        attempts = Attempts(
            units=self.units,
            consent=self.consent,
            planner=self.planner,
            keys=self.keys,
            signer=self.signer,
            objects=self.objects,
            encode_manifest=encode_manifest,
            clock=self.clock,
        )
        self.uploads = Uploads(
            units=self.units,
            attempts=attempts,
            giving_up=GivingUp(self.units, self.keys, self.objects),
            fingerprints=fingerprints,
            background=self.background,
            clock=self.clock,
            limits=self.limits,
        )
        self.reading = Reading(self.units, self.consent)

    @property
    def rows(self) -> Rows:
        return self.units.rows(TENANT)

    @property
    def events(self) -> list[DomainEvent]:
        return [event for event, _ in self.rows.events]

    def new_call(self, **changes: object) -> NewCall:
        values: dict[str, object] = {
            "queue": "cardiology",
            "direction": Direction.outbound,
            "started_at": self.clock.now() - timedelta(minutes=10),
            "parties": (
                Party("agent", PartyRole.organisation, ("CA",)),
                Party("patient", PartyRole.patient, ("TX",)),
            ),
            "identifying": Identifying(
                (("patient", "+15125550100"),), "MRN-4711", "agent-7", "Asked about results"
            ),
            **changes,
        }
        return NewCall(**values)  # type: ignore[arg-type]

    def request(
        self, operation: str = "calls.open", canonical: str = "{}", key: str | None = None
    ) -> Request:
        return Request(TENANT, ACTOR, operation, canonical, key)

    async def open_call(self) -> str:
        answer = await self.calls.open(self.request(), self.new_call())
        return str(answer.body["callId"])

    def upload(self, call_id: str, key: str = "key-1", stated: StatedDigests | None = None) -> Upload:
        return Upload(TENANT, ACTOR, call_id, key, stated or StatedDigests())

    async def send(
        self,
        call_id: str,
        content: bytes | None = None,
        key: str = "key-1",
        stated: StatedDigests | None = None,
    ) -> Answer:
        body = chunked(wav() if content is None else content)
        return await self.uploads.receive(self.upload(call_id, key, stated), body)
