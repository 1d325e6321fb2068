"""The record of all acts: pulled to its end, and proved twice, by Callward's verifier and by the RFC's text."""

import base64
import json
from typing import Any

import pytest

from callward_cli.verify.audit import CONSISTENCY_FORMAT, verify_consistency_proof, verify_event_proof
from callward_cli.verify.keys import read_keys
from callward_cli.verify.receipt import verify_receipt
from tests.support import rfc9162
from tests.support.doors import CLINIC, Callward, Client, saw
from tests.support.journeys import PURPOSE, Recorded, answered, media, pull, record
from tests.support.waiting import eventually

#: What the life of one recording leaves on record, by the last part of the event's type.
OF_A_RECORDING = {"KeyIssued", "KeySealed", "DocumentSigned", "RecordingSealed"}
OF_LISTENING = {"AccessGranted", "KeyOpened", "MediaServed"}


@pytest.fixture(scope="module")
def cursor(callward: Callward) -> str:
    """The place in the record before anything here happened: nobody pulls the whole again and again."""
    return pull(callward.siem())[1]


@pytest.fixture(scope="module")
def heard(callward: Callward, cursor: str) -> Recorded:
    recorded, person = record(callward), callward.person()
    path = media(person, recorded.recording_id)
    assert person.get(path, headers={"Range": "bytes=1000-2000"}).status_code == 206
    viewed = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={"purpose": PURPOSE})
    assert viewed.status_code == 200
    return recorded


def kind(line: bytes) -> str:
    return str(json.loads(line)["metadata"]["event_code"]).rsplit(".", 1)[-1]


def of_recording(siem: Client, recorded: Recorded, cursor: str) -> list[bytes]:
    """Waits until all of it is on record."""

    def complete() -> list[bytes] | None:
        lines = [line for line in pull(siem, cursor=cursor)[0] if recorded.recording_id.encode() in line]
        return lines if {kind(line) for line in lines} >= OF_A_RECORDING | OF_LISTENING else None

    return eventually(complete, "the record of the recording")


def checkpoint_key(callward: Callward) -> bytes:
    keys = answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200)["keys"]
    (found,) = (key for key in keys if key["callward_document_type"] == "checkpoint")
    return base64.urlsafe_b64decode(found["x"] + "=")


def proof_of(siem: Client, event_id: str) -> dict[str, Any]:
    def proved() -> dict[str, Any] | None:
        answer = siem.get(f"/v1/events/{event_id}/proof")
        if answer.status_code == 503:
            assert saw(answer) == (503, "not-yet-covered")
            return None
        return answered(answer, 200)

    return eventually(proved, "a checkpoint over the event")


def test_every_event_of_a_recording_is_proved(callward: Callward, heard: Recorded, cursor: str) -> None:
    siem = callward.siem()
    keys = read_keys(answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200))
    own = checkpoint_key(callward)
    for line in of_recording(siem, heard, cursor):
        proof = proof_of(siem, json.loads(line)["metadata"]["uid"])
        assert proof["event"].encode() == line, "what is proved are the bytes that were delivered"
        assert verify_event_proof(proof, keys).good
        origin, size, root = rfc9162.read_note(proof["checkpoint"], own)
        assert (origin, size) == (proof["origin"], proof["treeSize"])
        hashes = [base64.b64decode(each) for each in proof["inclusionProof"]]
        assert rfc9162.included(line, proof["leafIndex"], size, hashes, root)
        assert not rfc9162.included(line + b" ", proof["leafIndex"], size, hashes, root)
        changed = {**proof, "event": proof["event"].replace("callward", "callwarb", 1)}
        assert not verify_event_proof(changed, keys).good
    receipt = heard.answer["receipt"]
    proof = proof_of(siem, heard.answer["eventId"])
    assert verify_receipt(receipt, keys, (proof, verify_event_proof(proof, keys))).good


def test_pulling_by_small_pages_gives_the_same_to_the_end(
    callward: Callward, heard: Recorded, cursor: str
) -> None:
    siem = callward.siem()
    of_recording(siem, heard, cursor)
    small, end = pull(siem, limit=7, cursor=cursor)
    whole, _ = pull(siem)
    first = whole.index(small[0])
    assert whole[first : first + len(small)] == small
    assert len(small) > 10
    assert [json.loads(line)["metadata"]["uid"] for line in small].count(heard.answer["eventId"]) == 1
    person = callward.person()
    assert person.get("/v1/recordings").status_code == 200

    def listed() -> bool:
        return "RecordingsListed" in {kind(line) for line in pull(siem, cursor=end)[0]}

    eventually(listed, "what came after the cursor")


def test_a_tenant_pulls_its_own_events_only(callward: Callward, heard: Recorded, cursor: str) -> None:
    own, others = callward.siem(), callward.siem(CLINIC)
    before = pull(others)[1]
    theirs = record(callward, CLINIC)
    of_own = of_recording(own, heard, cursor)
    eventually(
        lambda: [line for line in pull(others, cursor=before)[0] if theirs.recording_id.encode() in line],
        "the other tenant's record",
    )
    assert not any(heard.recording_id.encode() in line for line in pull(others)[0])
    assert not any(theirs.recording_id.encode() in line for line in pull(own)[0])
    event_id = json.loads(of_own[0])["metadata"]["uid"]
    assert saw(others.get(f"/v1/events/{event_id}/proof")) == (404, "event-not-found")


def test_an_auditor_reads_what_machines_pull(callward: Callward, heard: Recorded, cursor: str) -> None:
    of_recording(callward.siem(), heard, cursor)
    assert heard.recording_id.encode() in b"\n".join(pull(callward.auditor())[0])
    supervisor = callward.auditor().having(
        callward.person_token("bayview-hospital", "supervisor", "callward-audit")
    )
    assert saw(supervisor.get("/v1/events")) == (403, "role-missing")


def test_the_log_only_grows(callward: Callward, heard: Recorded) -> None:
    siem, own = callward.siem(), checkpoint_key(callward)
    log = answered(siem.get("/v1/logs"), 200)["logs"][0]["log"]
    keys = read_keys(answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200))
    old = siem.get(f"/v1/logs/{log}/checkpoint").text
    origin, old_size, old_root = rfc9162.read_note(old, own)
    assert callward.person().get("/v1/recordings").status_code == 200

    def grown() -> str | None:
        note = siem.get(f"/v1/logs/{log}/checkpoint").text
        return note if rfc9162.read_note(note, own)[1] > old_size else None

    new = eventually(grown, "a later checkpoint")
    _, new_size, new_root = rfc9162.read_note(new, own)
    answer = siem.get(f"/v1/logs/{log}/consistency", params={"from": old_size, "to": new_size})
    hashes = answered(answer, 200)["hashes"]
    raw = [base64.b64decode(each) for each in hashes]
    assert rfc9162.consistent(old_size, old_root, new_size, new_root, raw)
    assert not rfc9162.consistent(old_size, new_root, new_size, old_root, raw)
    document = {"format": CONSISTENCY_FORMAT, "origin": origin, "old": old, "new": new}
    assert verify_consistency_proof({**document, "consistencyProof": hashes}, keys).good
    swapped = {**document, "old": new, "new": old, "consistencyProof": hashes}
    assert not verify_consistency_proof(swapped, keys).good


def test_proofs_that_cannot_exist(callward: Callward) -> None:
    siem = callward.siem()
    log = answered(siem.get("/v1/logs"), 200)["logs"][0]["log"]
    cases = [
        (f"/v1/logs/{log}/inclusion", {"index": 9, "size": 5}, 400, "invalid-proof-request"),
        (f"/v1/logs/{log}/consistency", {"from": 9, "to": 5}, 400, "invalid-proof-request"),
        (f"/v1/logs/{log}/inclusion", {"index": 0, "size": 2**40}, 503, "not-yet-covered"),
        (f"/v1/logs/{log}/inclusion", {"index": -1, "size": 5}, 400, "invalid-request"),
        ("/v1/logs/1999-0/checkpoint", {}, 404, "log-not-found"),
        ("/v1/events", {"cursor": "made-up"}, 400, None),
        ("/v1/events", {"limit": 1001}, 400, "invalid-request"),
    ]
    for path, parameters, status, expected in cases:
        answer = siem.get(path, params=parameters)
        assert answer.status_code == status, (path, answer.text)
        assert expected in (None, saw(answer)[1]), (path, answer.text)
