"""The neighbours the gateway calls, as it needs them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC

from callward.consent.v1 import consent_decider_service_pb2, consent_decider_service_pb2_grpc, consent_pb2
from callward.ingest.v1 import recording_pb2, recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward.keys.v1 import data_key_opener_service_pb2, data_key_opener_service_pb2_grpc, data_key_pb2
from callward_access.domain.errors import RecordingNotFound
from callward_access.domain.history import SealedRevision
from callward_access.domain.marks import ControlMark
from callward_access.domain.model import (
    SEALED,
    Lease,
    Level,
    Manifest,
    Media,
    Page,
    Recording,
    Summary,
    UseDecision,
)
from callward_access.kept_manifests import KeptManifests
from callward_access.ports import Granted, Person
from callward_common.errors import CallwardError, Category
from callward_common.events.actors import actor_from_proto
from callward_common.grpc.client import Channels

_STATES = {
    recording_pb2.RECORDING_STATE_SEALED: SEALED,
    recording_pb2.RECORDING_STATE_QUARANTINED: "quarantined",
}
_OUTCOMES = {
    consent_pb2.DECISION_OUTCOME_PERMIT: "permit",
    consent_pb2.DECISION_OUTCOME_EVIDENCE_MISSING: "evidence-missing",
    consent_pb2.DECISION_OUTCOME_REVOKED: "revoked",
    consent_pb2.DECISION_OUTCOME_RECORDING_OFF: "recording-off",
}


class IngestRecordings:
    """Reads recordings from ingest. Manifests that were read are kept, and only asked for again when they changed."""

    def __init__(self, channels: Channels, kept: KeptManifests) -> None:
        self._stub = recording_reader_service_pb2_grpc.RecordingReaderStub(channels.channel("ingest"))
        self._kept = kept

    async def list(self, tenant_id: str, *, page_size: int, page_token: str, queue: str) -> Page:
        """Return a page of sealed recordings, newest first."""
        response = await self._stub.ListRecordings(
            recording_reader_service_pb2.ListRecordingsRequest(
                tenant_id=tenant_id,
                page_size=page_size,
                page_token=page_token,
                states=[recording_pb2.RECORDING_STATE_SEALED],
                queue=queue,
            )
        )
        return Page([_summary(item) for item in response.recordings], response.next_page_token)

    async def get(self, tenant_id: str, recording_id: str) -> Recording:
        """Return one recording. Raises RecordingNotFound."""
        request = recording_reader_service_pb2.GetRecordingRequest(
            tenant_id=tenant_id, recording_id=recording_id
        )
        with _not_found():
            response = await self._stub.GetRecording(request)
        return Recording(
            summary=_summary(response.summary),
            key_id=response.key_id,
            manifest=Manifest(response.manifest),
            call_metadata=response.call_metadata.ciphertext,
            revisions=[_revision(each) for each in response.revisions],
            marks=[_mark(each) for each in response.marks],
            more_marks=response.more_marks,
        )

    async def media(self, tenant_id: str, recording_id: str) -> Recording:
        """Return one recording as far as it is played. Raises RecordingNotFound."""
        known = self._kept.get(tenant_id, recording_id)
        request = recording_reader_service_pb2.GetMediaRequest(
            tenant_id=tenant_id,
            recording_id=recording_id,
            known_manifest_sha256=b"" if known is None else known.sha256,
        )
        with _not_found():
            response = await self._stub.GetMedia(request)
        manifest = known
        if known is None or response.manifest_sha256 != known.sha256:
            # Whether these bytes are those of the hash that was stated, and registered, shows when they are opened.
            manifest = Manifest(response.manifest)
            self._kept.put(tenant_id, recording_id, manifest)
        assert manifest is not None
        return Recording(_summary(response.summary), response.key_id, manifest, call_metadata=b"")


@contextmanager
def _not_found() -> Iterator[None]:
    try:
        yield
    except CallwardError as error:
        if error.category is Category.not_found:
            raise RecordingNotFound("there is no recording with this id") from error
        raise


class ConsentDecisions:
    """Asks consent whether a recording may be used."""

    def __init__(self, channels: Channels) -> None:
        self._stub = consent_decider_service_pb2_grpc.ConsentDeciderStub(channels.channel("consent"))

    async def playback(self, tenant_id: str, call_id: str) -> UseDecision:
        """Return the decision on using the recordings of a call."""
        response = await self._stub.Decide(
            consent_decider_service_pb2.DecideRequest(
                tenant_id=tenant_id, call_id=call_id, use=consent_pb2.DECISION_USE_PLAYBACK
            )
        )
        decision = response.decision
        permitted = decision.outcome == consent_pb2.DECISION_OUTCOME_PERMIT
        return UseDecision(decision.decision_id, permitted, _OUTCOMES.get(decision.outcome, "unknown"))


class KeyLeases:
    """Opens subkeys at key-management."""

    def __init__(self, channels: Channels) -> None:
        self._stub = data_key_opener_service_pb2_grpc.DataKeyOpenerStub(channels.channel("key-management"))

    async def open_rendition(
        self, person: Person, recording_id: str, rendition: str, grant: Granted
    ) -> Lease:
        """Open one rendition's key of a recording under a grant."""
        return await self._open(
            data_key_opener_service_pb2.OpenDataKeyRequest(
                tenant_id=person.tenant_id,
                subject_kind=data_key_pb2.SUBJECT_KIND_RECORDING,
                subject_id=recording_id,
                person_token=person.token,
                rendition=rendition,
                purpose=grant.purpose,
                grant_event_id=grant.event_id,
            )
        )

    async def open_call_metadata(self, person: Person, call_id: str, grant: Granted) -> Lease:
        """Open the metadata key of a call under a grant."""
        return await self._metadata(person, data_key_pb2.SUBJECT_KIND_CALL, call_id, grant)

    async def open_revision(self, person: Person, revision_id: str, grant: Granted) -> Lease:
        """Open the key of a revision of a call's metadata under a grant."""
        return await self._metadata(person, data_key_pb2.SUBJECT_KIND_CALL_REVISION, revision_id, grant)

    async def _metadata(
        self, person: Person, kind: data_key_pb2.SubjectKind.ValueType, subject_id: str, grant: Granted
    ) -> Lease:
        return await self._open(
            data_key_opener_service_pb2.OpenDataKeyRequest(
                tenant_id=person.tenant_id,
                subject_kind=kind,
                subject_id=subject_id,
                person_token=person.token,
                metadata=True,
                purpose=grant.purpose,
                grant_event_id=grant.event_id,
            )
        )

    async def _open(self, request: data_key_opener_service_pb2.OpenDataKeyRequest) -> Lease:
        response = await self._stub.OpenDataKey(request)
        return Lease(
            response.subkey, response.manifest_sha256, response.lease_expires_at.ToDatetime(tzinfo=UTC)
        )


def _revision(message: recording_pb2.SealedRevision) -> SealedRevision:
    return SealedRevision(
        revision_id=message.document.subject_id,
        number=message.number,
        revised_at=message.revised_at.ToDatetime(tzinfo=UTC),
        actor=actor_from_proto(message.actor),
        changed=tuple(message.changed),
        ciphertext=message.document.ciphertext,
    )


def _mark(message: recording_pb2.ControlMark) -> ControlMark:
    return ControlMark(
        mark_id=message.mark_id,
        kind=message.kind,
        leg_id=message.leg_id or None,
        reason=message.reason or None,
        at=message.at.ToDatetime(tzinfo=UTC),
        until=message.until.ToDatetime(tzinfo=UTC) if message.HasField("until") else None,
        received_at=message.received_at.ToDatetime(tzinfo=UTC),
        statement_sha256=message.statement_sha256,
    )


def _summary(message: recording_pb2.RecordingSummary) -> Summary:
    media = message.media
    return Summary(
        recording_id=message.recording_id,
        call_id=message.call_id,
        state=_STATES.get(message.state, "unknown"),
        reasons=tuple(message.reasons),
        queue=message.queue,
        call_started_at=message.call_started_at.ToDatetime(tzinfo=UTC),
        sealed_at=message.sealed_at.ToDatetime(tzinfo=UTC),
        media=Media(
            media_type=media.media_type,
            codec=media.codec,
            channels=media.channels,
            sample_rate=media.sample_rate,
            duration=media.duration.ToTimedelta(),
            bytes_per_second=media.bytes_per_second,
            size=media.size,
            levels=tuple(
                Level(level.rms_dbfs, level.peak_dbfs, level.silence, level.clipped) for level in media.levels
            ),
            masked=tuple((each.start_microseconds, each.end_microseconds) for each in message.masked),
        ),
        retain_until=message.retain_until.ToDatetime(tzinfo=UTC),
        retention_class=message.retention_class,
        retention_citation=message.retention_citation,
    )
