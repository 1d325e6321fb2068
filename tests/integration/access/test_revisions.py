"""A view opens a call's document and its revisions in order, merges them, and refuses any that is not what was sealed."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from callward.keys.v1 import data_key_pb2
from callward_access.domain.history import SealedRevision
from callward_access.domain.model import Recording
from callward_common.identity import Actor, ActorKind
from callward_common.ids import new_id
from callward_crypto.keys import associated_data, seal_small
from tests.integration.access.world import PHI, World
from tests.support.doors import saw
from tests.unit.access.sealing import KEY, TENANT

PBX = Actor(ActorKind.machine, "pbx-1", "https://machines.mercy.example")
LATER = datetime(2026, 11, 25, 10, 0, 0, 123_456, tzinfo=UTC)
FIRST = {"notes": "Planted: called back about the biopsy", "patientReference": None}
SECOND = {"notes": None, "parties": {"patient": {"telephone": "+15125550777"}}, "externalReference": "crm-17"}
CHANGED = {1: ("notes", "patientReference"), 2: ("externalReference", "notes", "parties.telephone")}


def revision(call_id: str, number: int, patch: Mapping[str, Any], /, **differing: Any) -> SealedRevision:
    """A really sealed revision; `differing` members of its document."""
    revision_id, moment = new_id(), LATER + timedelta(hours=number)
    document = {
        "callId": call_id,
        "revision": number,
        "revisedAt": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "by": {"kind": "machine", "id": PBX.id, "issuer": PBX.issuer},
        "patch": patch,
        **differing,
    }
    bound = associated_data(TENANT, revision_id, "metadata", 0)
    ciphertext = seal_small(KEY, bound, json.dumps(document).encode())
    return SealedRevision(revision_id, number, moment, PBX, CHANGED[number], ciphertext)


def known(access: World, recording: Recording, *revisions: SealedRevision) -> Recording:
    """Makes the revisions known to ingest and key-management."""
    revised = replace(recording, revisions=revisions)
    access.reader.known[TENANT, recording.summary.recording_id] = revised
    for each in revisions:
        access.opener.registered[each.revision_id] = hashlib.sha256(each.ciphertext).digest()
    return revised


async def view(access: World, recording: Recording) -> Any:
    path = f"/v1/recordings/{recording.summary.recording_id}/views"
    return await access.call("POST", path, json={"purpose": "TREAT"})


async def revised(access: World) -> tuple[Recording, SealedRevision, SealedRevision]:
    recording = await access.add()
    call_id = recording.summary.call_id
    first, second = revision(call_id, 1, FIRST), revision(call_id, 2, SECOND)
    return known(access, recording, first, second), first, second


async def test_a_view_shows_what_is_known_now_and_how_it_came_about(access: World) -> None:
    recording, first, second = await revised(access)
    answer = await view(access, recording)
    assert answer.status_code == 200, answer.text
    metadata = answer.json()["metadata"]
    assert metadata["telephone"] == PHI, "what was known before is kept"
    assert "patientReference" not in metadata
    assert "notes" not in metadata
    assert metadata["externalReference"] == "crm-17"
    assert metadata["parties"] == [{"partyId": "patient", "telephone": "+15125550777"}]
    by = {"kind": "machine", "id": "pbx-1", "issuer": "https://machines.mercy.example"}
    assert answer.json()["history"] == [
        {"revision": 1, "revisedAt": "2026-11-25T11:00:00.123456Z", "by": by, "changed": list(CHANGED[1])},
        {"revision": 2, "revisedAt": "2026-11-25T12:00:00.123456Z", "by": by, "changed": list(CHANGED[2])},
    ]
    opened = [(each.subject_kind, each.subject_id, each.metadata) for each in access.opener.seen]
    assert opened == [
        (data_key_pb2.SUBJECT_KIND_CALL, recording.summary.call_id, True),
        (data_key_pb2.SUBJECT_KIND_CALL_REVISION, first.revision_id, True),
        (data_key_pb2.SUBJECT_KIND_CALL_REVISION, second.revision_id, True),
    ]
    assert access.opener.durable == [True] * 3, "the grant is on record before anything is opened"
    assert len({each.grant_event_id for each in access.opener.seen}) == 1


async def test_a_call_without_revisions_has_an_empty_history(access: World) -> None:
    answer = await view(access, await access.add())
    assert (answer.status_code, answer.json()["history"]) == (200, [])


async def refused(access: World, recording: Recording) -> None:
    """Nothing of the metadata is shown, and the failure is on record."""
    answer = await view(access, recording)
    assert saw(answer) == (500, "integrity-failure")
    assert PHI not in answer.text
    assert "Planted" not in answer.text
    (denied,) = await access.events("AccessDenied")
    assert (denied.action, denied.reason) == ("view", "integrity-failure")
    assert denied.recording_id == recording.summary.recording_id


async def test_a_revision_whose_hash_is_not_the_registered_one_is_refused(access: World) -> None:
    recording, _, second = await revised(access)
    access.opener.registered[second.revision_id] = hashlib.sha256(b"another").digest()
    await refused(access, recording)


async def test_a_revision_of_another_id_is_refused(access: World) -> None:
    recording, first, second = await revised(access)
    stolen = replace(first, ciphertext=second.ciphertext)
    await refused(access, known(access, recording, stolen, second))


@pytest.mark.parametrize(
    "differing",
    [
        {"callId": new_id()},
        {"revision": 2},
        {"revisedAt": "2026-11-25T10:00:00.000Z"},
        {"by": {"kind": "machine", "id": "another", "issuer": PBX.issuer}},
        {"patch": "none"},
        {"patch": {"notes": "other fields than told"}},
        {"more": True},
    ],
    ids=["call", "number", "time", "actor", "no-patch", "fields", "unknown-member"],
)
async def test_a_revision_that_is_not_what_is_told_of_it_is_refused(
    access: World, differing: dict[str, Any]
) -> None:
    recording = await access.add()
    await refused(
        access, known(access, recording, revision(recording.summary.call_id, 1, FIRST, **differing))
    )


async def test_a_missing_and_a_swapped_revision_are_refused(access: World) -> None:
    recording, first, second = await revised(access)
    access.reader.known[TENANT, recording.summary.recording_id] = replace(recording, revisions=(second,))
    assert saw(await view(access, recording)) == (500, "integrity-failure")
    swapped = replace(recording, revisions=(second, first))
    access.reader.known[TENANT, recording.summary.recording_id] = swapped
    assert saw(await view(access, recording)) == (500, "integrity-failure")
