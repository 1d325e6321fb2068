"""What the access gateway reads over gRPC, and who else may not."""

import hashlib

import pytest

from callward.ingest.v1 import recording_pb2, recording_reader_service_pb2, recording_reader_service_pb2_grpc
from callward_common.errors import CallerNotAllowed, CallwardError, InvalidRequest
from callward_common.ids import new_id
from callward_crypto.keys import METADATA_LABEL, associated_data, derive_subkey, open_small
from tests.integration.ingest.world import PHI, World
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.tenants import MERCY, OTHER

List = recording_reader_service_pb2.ListRecordingsRequest
Get = recording_reader_service_pb2.GetRecordingRequest


async def ask(ingest: World, request: List | Get, caller: str = "access-gateway") -> object:
    async with run_servicers("ingest", ingest.service.grpc, identities()) as channels_of:
        channel = channels_of(caller).channel("ingest")
        stub: recording_reader_service_pb2_grpc.RecordingReaderAsyncStub = (
            recording_reader_service_pb2_grpc.RecordingReaderStub(channel)
        )
        if isinstance(request, Get):
            return await stub.GetRecording(request)
        return await stub.ListRecordings(request)


async def listed(ingest: World, **fields: object) -> recording_reader_service_pb2.ListRecordingsResponse:
    request = List(**{"tenant_id": MERCY.tenant_id, **fields})  # type: ignore[arg-type]
    answer = await ask(ingest, request)
    assert isinstance(answer, recording_reader_service_pb2.ListRecordingsResponse)
    return answer


async def test_a_list_is_newest_first_in_pages_and_without_identifying_fields(ingest: World) -> None:
    call_id = await ingest.opened()
    made = [(await ingest.upload(call_id, key=f"k{n}")).json()["recordingId"] for n in range(5)]
    bad = (await ingest.upload(call_id, b"", key="bad")).json()["recordingId"]
    first = await listed(ingest, page_size=2)
    second = await listed(ingest, page_size=2, page_token=first.next_page_token)
    third = await listed(ingest, page_size=2, page_token=second.next_page_token)
    pages = [[item.recording_id for item in page.recordings] for page in (first, second, third)]
    assert pages == [made[:2:-1], made[2:0:-1], made[:1]]
    assert third.next_page_token == ""
    item = first.recordings[0]
    assert (item.queue, item.retention_citation, item.media.codec) == (
        "cardiology",
        "22 CCR § 70751(c)",
        "pcm_mulaw",
    )
    assert item.media.duration.ToMilliseconds() == 500
    assert not any(value.encode() in first.SerializeToString() for value in PHI.values())
    quarantined = await listed(ingest, states=[recording_pb2.RECORDING_STATE_QUARANTINED])
    assert [(i.recording_id, list(i.reasons)) for i in quarantined.recordings] == [(bad, ["empty"])]
    both = await listed(
        ingest, states=[recording_pb2.RECORDING_STATE_QUARANTINED, recording_pb2.RECORDING_STATE_SEALED]
    )
    assert len(both.recordings) == 6
    assert not (await listed(ingest, queue="billing")).recordings
    assert not (await listed(ingest, tenant_id=OTHER.tenant_id)).recordings


async def test_lists_refuse_what_they_do_not_know(ingest: World) -> None:
    call_id = await ingest.opened()
    for number in range(2):
        await ingest.upload(call_id, key=f"k{number}")
    token = (await listed(ingest, page_size=1)).next_page_token
    for fields in (
        {"page_size": 201},
        {"page_size": -1},
        {"page_token": "nonsense"},
        {"page_token": token, "queue": "other"},
        {"states": [recording_pb2.RECORDING_STATE_RECEIVING]},
        {"states": [recording_pb2.RECORDING_STATE_UNSPECIFIED]},
        {"tenant_id": ""},
    ):
        with pytest.raises(CallwardError) as refused:
            await listed(ingest, **fields)
        assert refused.value.http_status == 400


async def test_a_recording_comes_with_the_bytes_that_were_registered(ingest: World) -> None:
    call_id = await ingest.opened()
    recording_id = (await ingest.upload(call_id)).json()["recordingId"]
    answer = await ask(ingest, Get(tenant_id=MERCY.tenant_id, recording_id=recording_id))
    assert isinstance(answer, recording_reader_service_pb2.GetRecordingResponse)
    assert hashlib.sha256(answer.manifest).digest() == ingest.keys.manifests[recording_id]
    sealed = answer.call_metadata
    assert (sealed.subject_id, answer.summary.recording_id) == (call_id, recording_id)
    assert hashlib.sha256(sealed.ciphertext).digest() == ingest.keys.manifests[call_id]
    key = derive_subkey(ingest.keys.data_keys[call_id], METADATA_LABEL)
    opened = open_small(key, associated_data(MERCY.tenant_id, call_id, "metadata", 0), sealed.ciphertext)
    assert PHI["telephone"].encode() in opened


async def test_what_is_not_there_and_what_is_anothers_look_the_same(ingest: World) -> None:
    call_id = await ingest.opened()
    recording_id = (await ingest.upload(call_id)).json()["recordingId"]
    details = set()
    for tenant, wanted in ((OTHER.tenant_id, recording_id), (MERCY.tenant_id, new_id())):
        with pytest.raises(CallwardError) as refused:
            await ask(ingest, Get(tenant_id=tenant, recording_id=wanted))
        details.add((refused.value.type, refused.value.detail))
    assert details == {("recording-not-found", "There is no such recording.")}
    with pytest.raises(InvalidRequest):
        await ask(ingest, Get(tenant_id=MERCY.tenant_id, recording_id="1"))


@pytest.mark.parametrize("caller", ["consent", "audit", "retention", "key-management", "ingest"])
async def test_only_the_gateway_may_ask(ingest: World, caller: str) -> None:
    with pytest.raises(CallerNotAllowed):
        await ask(ingest, List(tenant_id=MERCY.tenant_id), caller)
