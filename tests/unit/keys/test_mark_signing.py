"""Control marks: what is signed, and what is not."""

import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest

from callward_common.errors import InvalidRequest
from callward_common.ids import new_id
from callward_crypto import jws
from callward_keys.domain.errors import CallNotRegistered
from callward_keys.domain.events import DocumentSigned
from callward_keys.domain.mark_documents import MARK_TYP, MarkStatement
from callward_keys.domain.model import Subject, SubjectKind, Subkeys
from tests.support.clock import START
from tests.unit.keys.fakes import INGEST, TENANT, World
from tests.unit.keys.scene import MANIFEST, SECRET, issued, sealed
from tests.unit.keys.test_signing import public_keys

METADATA = Subkeys((), metadata=True)


async def call(world: World, *, seal: bool = True) -> Subject:
    subject = Subject(TENANT, SubjectKind.call, new_id())
    await issued(world, subject, subkeys=METADATA)
    if seal:
        await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    return subject


def statement(call_id: str, **changes: Any) -> MarkStatement:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "call_id": call_id,
        "mark_id": new_id(),
        "leg_id": "leg-1",
        "kind": "mask",
        "reason": "card-data",
        "at": START + timedelta(microseconds=1),
        "until": None,
        "received_at": START + timedelta(seconds=1),
        "event_id": new_id(),
    }
    return MarkStatement(**(values | changes))


async def test_a_mark_verifies_and_states_what_happened(world: World) -> None:
    subject = await call(world)
    stated = statement(subject.subject_id, until=START + timedelta(seconds=9))
    signed = await world.marks.sign(INGEST, stated)
    payload = jws.verify(signed.jws, MARK_TYP, public_keys(world))
    document = json.loads(payload)
    assert payload == json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    assert document.pop("iat") == int(world.clock.now().timestamp())
    assert document == {
        "iss": "callward",
        "tenant_id": TENANT,
        "call_id": subject.subject_id,
        "mark_id": stated.mark_id,
        "leg_id": "leg-1",
        "kind": "mask",
        "reason": "card-data",
        "at": "2026-11-24T09:00:00.000001Z",
        "until": "2026-11-24T09:00:09.000000Z",
        "received_at": "2026-11-24T09:00:01.000000Z",
        "event_id": stated.event_id,
    }
    assert signed.sha256 == hashlib.sha256(signed.jws.encode()).digest()
    assert world.units.events[-1] == DocumentSigned(
        INGEST, "mark", TENANT, subject.subject_id, signed.sha256, signed.signing_key_id
    )


async def test_what_is_not_stated_is_left_out(world: World) -> None:
    subject = await call(world)
    stated = statement(subject.subject_id, kind="transfer", reason="", leg_id="")
    document = json.loads(
        jws.verify((await world.marks.sign(INGEST, stated)).jws, MARK_TYP, public_keys(world))
    )
    assert not {"leg_id", "reason", "until"} & set(document)


async def test_a_mark_has_a_key_of_its_own_type(world: World) -> None:
    subject = await call(world)
    signed = await world.marks.sign(INGEST, statement(subject.subject_id))
    kinds = {key.key_id: key.document_type.value for key in world.public_keys.keys.values()}
    assert kinds[signed.signing_key_id] == "mark"
    with pytest.raises(jws.JwsError):
        jws.verify(signed.jws, "callward-receipt+jwt", public_keys(world))


async def test_nothing_is_signed_of_a_call_that_is_not_on_record(world: World) -> None:
    still_open, of_recording = await call(world, seal=False), await sealed(world)
    for call_id in (new_id(), still_open.subject_id, of_recording.subject_id):
        with pytest.raises(CallNotRegistered):
            await world.marks.sign(INGEST, statement(call_id))
    ours = await call(world)
    with pytest.raises(CallNotRegistered):
        await world.marks.sign(INGEST, statement(ours.subject_id, tenant_id="another-hospital"))
    assert not any(isinstance(event, DocumentSigned) for event in world.units.events)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "erase"},
        {"kind": ""},
        {"reason": ""},
        {"kind": "pause", "reason": ""},
        {"reason": "MRN-4711"},
        {"reason": "4111111111111111"},
        {"reason": "card data"},
        {"reason": "-card"},
        {"leg_id": "leg 1"},
        {"leg_id": "l" * 65},
        {"until": START},
        {"kind": "pause", "until": START + timedelta(seconds=9)},
        {"kind": "transfer", "until": START + timedelta(seconds=9)},
    ],
)
def test_a_statement_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        statement(new_id(), **changes)
