"""Control marks through the door: what is signed of a call, and what not."""

import hashlib
import json
from typing import Any

from callward.keys.v1 import data_key_pb2, events_pb2
from callward.keys.v1 import signing_service_pb2 as signing_pb
from callward.keys.v1 import signing_service_pb2_grpc as signing_grpc
from callward_common.ids import new_id
from callward_crypto import jws
from tests.integration.keys.scene import CALL, TENANT, Scene, issue, refused, seal, timestamp


def mark(call_id: str, **changes: Any) -> signing_pb.SignMarkRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "call_id": call_id,
        "mark_id": new_id(),
        "kind": "mask",
        "reason": "card-data",
        "at": timestamp(),
        "received_at": timestamp(),
        "event_id": new_id(),
    }
    return signing_pb.SignMarkRequest(**(values | changes))


async def test_a_mark_of_a_call_on_record_is_signed_under_a_key_of_its_own(scene: Scene) -> None:
    call_id, signer = new_id(), scene.stub(signing_grpc.MarkSignerStub, "ingest")
    await refused(signer.SignMark(mark(call_id)), "call-not-registered")
    metadata = data_key_pb2.Subkeys(metadata=True)
    await scene.issuer.IssueDataKey(issue(call_id, subject_kind=CALL, subkeys=metadata))
    await refused(signer.SignMark(mark(call_id)), "call-not-registered")
    await scene.issuer.SealDataKey(seal(call_id, subject_kind=CALL))
    signed = await signer.SignMark(mark(call_id))
    directory = scene.stub(signing_grpc.SigningKeyDirectoryStub, "ingest")
    keys = (await directory.ListSigningKeys(signing_pb.ListSigningKeysRequest())).keys
    own = {key.key_id: key.public_key for key in keys if key.document_type == "mark"}
    claims = json.loads(jws.verify(signed.jws, "callward-mark+jws", own))
    assert (claims["call_id"], claims["kind"], claims["reason"]) == (call_id, "mask", "card-data")
    assert signed.sha256 == hashlib.sha256(signed.jws.encode()).digest()
    event, tenant = await scene.last_event()
    assert isinstance(event, events_pb2.DocumentSigned)
    assert (tenant, event.document_type, event.subject_id) == (TENANT, "mark", call_id)
    assert event.sha256 == signed.sha256


async def test_what_is_no_mark_is_not_signed(scene: Scene) -> None:
    signer = scene.stub(signing_grpc.MarkSignerStub, "ingest")
    empty = mark(new_id())
    empty.ClearField("at")
    for request in (
        empty,
        mark(new_id(), kind="erase"),
        mark(new_id(), reason=""),
        mark(new_id(), reason="MRN-4711"),
        mark("no id"),
        signing_pb.SignMarkRequest(),
    ):
        await refused(signer.SignMark(request), "invalid-request")
    assert await scene.events() == []
