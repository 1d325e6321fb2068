"""Ingest, consent, key-management and audit as fake servicers behind real mTLS, with a really sealed recording."""

import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from callward.audit.v1 import watermark_service_pb2, watermark_service_pb2_grpc
from callward.consent.v1 import consent_decider_service_pb2, consent_decider_service_pb2_grpc, consent_pb2
from callward.ingest.v1 import recording_pb2, recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward.keys.v1 import data_key_opener_service_pb2, data_key_opener_service_pb2_grpc
from callward_access.domain.history import SealedRevision
from callward_access.domain.model import Recording
from callward_common.clock import Clock
from callward_common.errors import CallwardError, Category, NotFound
from callward_common.events.actors import actor_to_proto
from callward_common.grpc.server import GrpcBinding
from callward_common.ids import new_id
from tests.support.bus import InMemoryBus
from tests.unit.access.sealing import RENDITION, key_of

_STATES = {
    "sealed": recording_pb2.RECORDING_STATE_SEALED,
    "quarantined": recording_pb2.RECORDING_STATE_QUARANTINED,
}


class InvalidPageToken(CallwardError):
    """As ingest refuses a cursor of somebody else's."""

    category = Category.invalid
    type = "invalid-cursor"


class Reader(recording_reader_service_pb2_grpc.RecordingReaderServicer):
    """Ingest, by tenant."""

    def __init__(self) -> None:
        self.known: dict[tuple[str, str], Recording] = {}
        self.seen: list[Any] = []
        self.manifests_sent = 0

    async def ListRecordings(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        if request.page_token not in ("", "next"):
            raise InvalidPageToken("The cursor is not one of this list.")
        found = [each for (tenant, _), each in sorted(self.known.items()) if tenant == request.tenant_id]
        return recording_reader_service_pb2.ListRecordingsResponse(
            recordings=[summary(each) for each in found], next_page_token="" if request.page_token else "next"
        )

    async def GetRecording(self, request: Any, context: Any) -> Any:
        found = self.known.get((request.tenant_id, request.recording_id))
        if found is None:
            raise NotFound("There is no such recording.")
        return recording_reader_service_pb2.GetRecordingResponse(
            summary=summary(found),
            manifest=found.manifest.raw,
            key_id=found.key_id,
            call_metadata=recording_pb2.SealedDocument(
                subject_id=found.summary.call_id, ciphertext=found.call_metadata
            ),
            revisions=[sealed_revision(each) for each in found.revisions],
        )

    async def GetMedia(self, request: Any, context: Any) -> Any:
        found = self.known.get((request.tenant_id, request.recording_id))
        if found is None:
            raise NotFound("There is no such recording.")
        same = request.known_manifest_sha256 == found.manifest.sha256
        self.manifests_sent += not same
        return recording_reader_service_pb2.GetMediaResponse(
            summary=summary(found),
            key_id=found.key_id,
            manifest_sha256=found.manifest.sha256,
            manifest=b"" if same else found.manifest.raw,
        )


class Decider(consent_decider_service_pb2_grpc.ConsentDeciderServicer):
    """Consent."""

    def __init__(self) -> None:
        self.outcome = consent_pb2.DECISION_OUTCOME_PERMIT

    async def Decide(self, request: Any, context: Any) -> Any:
        assert request.use == consent_pb2.DECISION_USE_PLAYBACK
        decision = consent_pb2.Decision(decision_id=new_id(), outcome=self.outcome)
        return consent_decider_service_pb2.DecideResponse(decision=decision)


class Opener(data_key_opener_service_pb2_grpc.DataKeyOpenerServicer):
    """Key-management. `durable` says of each opening whether its grant was on record before."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.registered: dict[str, bytes] = {}
        self.seen: list[Any] = []
        self.durable: list[bool] = []
        self.on_record: Callable[[str], Awaitable[bool]] | None = None

    async def OpenDataKey(self, request: Any, context: Any) -> Any:
        self.seen.append(request)
        assert self.on_record is not None
        self.durable.append(await self.on_record(request.grant_event_id))
        until = Timestamp()
        until.FromDatetime(self._clock.now() + timedelta(seconds=60))
        return data_key_opener_service_pb2.OpenDataKeyResponse(
            key_id=new_id(),
            subkey=key_of(request.rendition or RENDITION),
            manifest_sha256=self.registered[request.subject_id],
            lease_expires_at=until,
            event_id=new_id(),
        )


class Audit(watermark_service_pb2_grpc.WatermarkServicer):
    """Audit: has everything that was published, until it stands still."""

    def __init__(self, bus: InMemoryBus) -> None:
        self._bus = bus
        self.stands_still_at: int | None = None

    async def GetWatermark(self, request: Any, context: Any) -> Any:
        return watermark_service_pb2.GetWatermarkResponse(sequence=self.sequence())

    def sequence(self) -> int:
        if self.stands_still_at is not None:
            return self.stands_still_at
        return max((envelope.sequence for envelope in self._bus.published), default=0)

    def stand_still(self) -> None:
        self.stands_still_at = self.sequence()


def summary(recording: Recording) -> recording_pb2.RecordingSummary:
    """The recording as ingest lists it."""
    known = recording.summary
    message = recording_pb2.RecordingSummary(
        recording_id=known.recording_id,
        call_id=known.call_id,
        state=_STATES[known.state],
        reasons=known.reasons,
        queue=known.queue,
        retention_class=known.retention_class,
        retention_citation=known.retention_citation,
        media=recording_pb2.MediaFacts(
            media_type=known.media.media_type,
            codec=known.media.codec,
            channels=known.media.channels,
            sample_rate=known.media.sample_rate,
            bytes_per_second=known.media.bytes_per_second,
            size=known.media.size,
        ),
    )
    message.call_started_at.FromDatetime(known.call_started_at)
    message.sealed_at.FromDatetime(known.sealed_at)
    message.retain_until.FromDatetime(known.retain_until)
    duration = Duration()
    duration.FromTimedelta(known.media.duration)
    message.media.duration.CopyFrom(duration)
    return message


def sealed_revision(revision: SealedRevision) -> recording_pb2.SealedRevision:
    """The revision as ingest tells of it."""
    message = recording_pb2.SealedRevision(
        document=recording_pb2.SealedDocument(
            subject_id=revision.revision_id, ciphertext=revision.ciphertext
        ),
        number=revision.number,
        actor=actor_to_proto(revision.actor),
        changed=revision.changed,
    )
    message.revised_at.FromDatetime(revision.revised_at)
    return message


def metadata_hash(recording: Recording) -> bytes:
    """What key-management registered for the call's sealed document."""
    return hashlib.sha256(recording.call_metadata).digest()


def bindings(reader: Reader, decider: Decider, opener: Opener, audit: Audit) -> dict[str, list[GrpcBinding]]:
    """The four neighbours, by component."""
    services = {
        "ingest": (
            recording_reader_service_pb2,
            "RecordingReader",
            recording_reader_service_pb2_grpc,
            reader,
        ),
        "consent": (consent_decider_service_pb2, "ConsentDecider", consent_decider_service_pb2_grpc, decider),
        "key-management": (
            data_key_opener_service_pb2,
            "DataKeyOpener",
            data_key_opener_service_pb2_grpc,
            opener,
        ),
        "audit": (watermark_service_pb2, "Watermark", watermark_service_pb2_grpc, audit),
    }
    return {
        component: [
            GrpcBinding(
                getattr(generated, f"add_{name}Servicer_to_server"),
                servicer,
                messages.DESCRIPTOR.services_by_name[name],
            )
        ]
        for component, (messages, name, generated, servicer) in services.items()
    }
