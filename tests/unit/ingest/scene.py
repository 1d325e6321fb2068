"""The use cases put together over fakes, and what tests do with them again and again."""

import struct
from collections.abc import AsyncIterator
from datetime import timedelta

from callward.ingest.v1 import manifest_pb2
from callward_common.identity import Actor, ActorKind
from callward_ingest.app.appends import Appends
from callward_ingest.app.background import Background
from callward_ingest.app.calls import Calls
from callward_ingest.app.completing import Completing
from callward_ingest.app.endings import Endings
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.limits import Limits
from callward_ingest.app.marks_sealing import SealedMarks
from callward_ingest.app.objects import Objects
from callward_ingest.app.once import Answer, Once, Request
from callward_ingest.app.opening import Opening
from callward_ingest.app.quotas import Quotas
from callward_ingest.app.reading import Reading
from callward_ingest.app.resumable import Resumable
from callward_ingest.app.running import Running
from callward_ingest.app.sessions import Sessions
from callward_ingest.app.sweeper import Sweeper
from callward_ingest.app.upload import NewUpload
from callward_ingest.app.upload_core import UploadCore
from callward_ingest.app.uploads import Uploads
from callward_ingest.domain.calls import Direction, Identifying, NewCall, Party, PartyRole
from callward_ingest.domain.decisions import Outcome
from callward_ingest.domain.events import DomainEvent
from callward_ingest.domain.uploads import StatedDigests
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
    MemoryWorkList,
    NoMasks,
    Rows,
    wav_only,
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
        self.core = self._core(fingerprints)
        self.running, self.sessions = self.core.running, self.core.sessions
        self.uploads = Uploads(
            core=self.core,
            units=self.units,
            fingerprints=fingerprints,
            background=self.background,
            clock=self.clock,
            limits=self.limits,
        )
        self.resumable = Resumable(
            core=self.core,
            units=self.units,
            background=self.background,
            clock=self.clock,
            limits=self.limits,
        )
        self.reading = Reading(self.units, self.consent)

    @property
    def sweeper(self) -> Sweeper:
        return Sweeper(
            work=MemoryWorkList(self.units),
            units=self.units,
            completing=self.core.completing,
            endings=self.core.endings,
            sessions=self.core.sessions,
            running=self.core.running,
            clock=self.clock,
            interval=1.0,
        )

    def _core(self, fingerprints: Fingerprints) -> UploadCore:
        units, clock, limits = self.units, self.clock, self.limits
        objects = Objects(units, self.objects, clock)
        sessions = Sessions(
            units=units, objects=objects, readers=wav_only, masks=NoMasks(), clock=clock, capacity=8
        )
        opening = Opening(
            units=units,
            consent=self.consent,
            planner=self.planner,
            keys=self.keys,
            fingerprints=fingerprints,
            clock=clock,
            lifetime=limits.upload_lifetime,
            skew=limits.clock_skew,
        )
        endings = Endings(units, self.keys, objects, sessions, clock)
        return UploadCore(
            opening=opening,
            sessions=sessions,
            endings=endings,
            appends=Appends(
                units=units, objects=objects, sessions=sessions, endings=endings, clock=clock, limits=limits
            ),
            completing=self._completing(opening, sessions, objects),
            quotas=Quotas(units, clock, limits),
            running=Running(limits),
        )

    def _completing(self, opening: Opening, sessions: Sessions, objects: Objects) -> Completing:
        return Completing(
            units=self.units,
            opening=opening,
            sessions=sessions,
            objects=objects,
            consent=self.consent,
            keys=self.keys,
            signer=self.signer,
            marks=SealedMarks(self.units, longest=self.limits.max_mask),
            encode_manifest=encode_manifest,
            background=self.background,
            clock=self.clock,
        )

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

    def upload(self, call_id: str, key: str = "key-1", stated: StatedDigests | None = None) -> NewUpload:
        return NewUpload(TENANT, ACTOR, call_id, "audio/wav", stated or StatedDigests(), key)

    async def send(
        self,
        call_id: str,
        content: bytes | None = None,
        key: str = "key-1",
        stated: StatedDigests | None = None,
    ) -> Answer:
        body = chunked(wav() if content is None else content)
        return await self.uploads.receive(self.upload(call_id, key, stated), body)


def needed(scene: Scene) -> set[tuple[str, str]]:
    """The objects that recordings on record need: parts of their manifests, and the sidecars."""
    found = set[tuple[str, str]]()
    for sealed in scene.rows.manifests.values():
        manifest = manifest_pb2.Manifest.FromString(sealed)
        found |= {
            (each.object_key, each.version_id)
            for rendition in manifest.renditions
            for each in rendition.parts
        }
        found |= {place for place, content in scene.objects.stored.items() if content == sealed}
    return found
