"""What the access gateway reads at every seek: the recording as it is, and its manifest unless it holds it already."""

import hashlib

import pytest

from callward.ingest.v1 import recording_pb2, recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward_common.errors import CallerNotAllowed, CallwardError, InvalidRequest
from callward_common.ids import new_id
from tests.integration.ingest.world import World
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.tenants import MERCY, OTHER

Answer = recording_reader_service_pb2.GetMediaResponse


async def media(
    ingest: World,
    recording_id: str,
    *,
    known: bytes = b"",
    tenant: str = MERCY.tenant_id,
    caller: str = "access-gateway",
) -> Answer:
    request = recording_reader_service_pb2.GetMediaRequest(
        tenant_id=tenant, recording_id=recording_id, known_manifest_sha256=known
    )
    async with run_servicers("ingest", ingest.service.grpc, identities()) as channels_of:
        stub = recording_reader_service_pb2_grpc.RecordingReaderStub(channels_of(caller).channel("ingest"))
        answer: Answer = await stub.GetMedia(request)
        return answer


async def test_a_manifest_that_is_known_is_left_out(ingest: World) -> None:
    recording_id = (await ingest.upload(await ingest.opened())).json()["recordingId"]
    first = await media(ingest, recording_id)
    assert hashlib.sha256(first.manifest).digest() == first.manifest_sha256
    assert first.manifest_sha256 == ingest.keys.manifests[recording_id]
    assert first.summary.state == recording_pb2.RECORDING_STATE_SEALED
    assert (first.summary.recording_id, first.summary.media.codec) == (recording_id, "pcm_mulaw")
    assert first.key_id
    again = await media(ingest, recording_id, known=first.manifest_sha256)
    assert again.manifest == b""
    again.manifest = first.manifest
    assert again == first
    for other in (bytes(32), b"short", first.manifest_sha256 + b"x"):
        assert await media(ingest, recording_id, known=other) == first


async def test_quarantined_ones_say_so_and_nobodys_are_not_found(ingest: World) -> None:
    call_id = await ingest.opened()
    kept_apart = (await ingest.upload(call_id, b"", key="bad")).json()["recordingId"]
    assert (await media(ingest, kept_apart)).summary.state == recording_pb2.RECORDING_STATE_QUARANTINED
    for tenant, wanted in ((OTHER.tenant_id, kept_apart), (MERCY.tenant_id, new_id())):
        with pytest.raises(CallwardError) as refused:
            await media(ingest, wanted, tenant=tenant)
        assert refused.value.type == "recording-not-found"
    for tenant, wanted in (("", kept_apart), (MERCY.tenant_id, "nonsense")):
        with pytest.raises(InvalidRequest):
            await media(ingest, wanted, tenant=tenant)
    with pytest.raises(CallerNotAllowed):
        await media(ingest, kept_apart, caller="retention")
