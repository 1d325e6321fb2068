"""A call from its beginning to its sealed recording, and what of it can be found anywhere."""

import base64
import hashlib
import io
import json
import logging

from joserfc import jwt
from joserfc.jwk import KeySet

from callward.ingest.v1 import manifest_pb2
from callward.ingest.v1.events_pb2 import RecordingRefused, RecordingSealed
from callward_common.crypto.keys import (
    METADATA_LABEL,
    associated_data,
    derive_subkey,
    open_small,
    rendition_label,
)
from callward_common.telemetry.logging import JsonFormatter
from tests.integration.ingest.world import NOTES, PHI, World
from tests.support.tenants import MERCY
from tests.unit.ingest.scene import wav

TABLES = ("calls", "pseudonyms", "recordings", "manifests", "idempotency", "outbox", "inbox", "dead_letters")


async def sealed_object(ingest: World, recording_id: str) -> bytes:
    rows = await ingest.rows("SELECT manifest FROM manifests")
    manifests = [manifest_pb2.Manifest.FromString(row["manifest"]) for row in rows]
    part = next(m for m in manifests if m.recording_id == recording_id).renditions[0].parts[0]
    return next(c for c in ingest.objects() if hashlib.sha256(c).digest() == part.ciphertext_sha256)


async def test_a_call_is_decided_recorded_and_sealed_with_a_receipt_that_verifies(ingest: World) -> None:
    opened = await ingest.post("/v1/calls", ingest.call_body())
    assert opened.status_code == 201
    call_id = opened.json()["callId"]
    assert opened.headers["Location"] == f"/v1/calls/{call_id}"
    assert opened.json()["decision"]["outcome"] == "evidence-missing"
    assert opened.json()["decision"]["decidingRule"]["statute"] == "Cal. Penal Code § 632"

    refused = await ingest.upload(call_id)
    assert (refused.status_code, refused.headers["content-type"]) == (403, "application/problem+json")
    problem = refused.json()
    assert problem["type"] == "urn:callward:problem:consent-required"
    assert problem["missingEvidence"] == [{"partyId": "patient", "anyOf": ["verbal-yes"]}]

    evidence = {
        "kind": "verbal-yes",
        "partyId": "patient",
        "offsetSeconds": 2,
        "givenAt": "2026-11-24T08:51:00Z",
    }
    given = await ingest.post(f"/v1/calls/{call_id}/evidence", evidence)
    assert given.json()["decision"]["outcome"] == "permit"
    ended = await ingest.post(f"/v1/calls/{call_id}/end", {"endedAt": "2026-11-24T08:59:00Z"})
    assert (ended.status_code, ended.json()["endedAt"]) == (200, "2026-11-24T08:59:00.000Z")

    content = wav(seconds=20)
    digest = hashlib.sha256(content).digest()
    field = f"sha-256=:{base64.b64encode(digest).decode()}:"
    taken = await ingest.upload(call_id, content, **{"Repr-Digest": field, "Content-Digest": field})
    assert taken.status_code == 201, taken.text
    body = taken.json()
    recording_id = body["recordingId"]
    assert (body["state"], body["reasons"]) == ("sealed", [])
    assert body["media"]["codec"] == "pcm_mulaw"
    assert body["retention"]["citation"] == "22 CCR § 70751(c)"

    published = await ingest.client.get("/.well-known/jwks.json")
    assert published.headers["cache-control"].startswith("public")
    receipt = jwt.decode(body["receipt"], KeySet.import_key_set(published.json()), ["EdDSA"])
    assert receipt.header["typ"] == "callward-receipt+jwt"
    nonce = base64.urlsafe_b64decode(body["receiptCommitmentNonce"] + "=")
    assert receipt.claims["commitment"] == hashlib.sha256(nonce + digest).hexdigest()
    assert receipt.claims["manifest"] == ingest.keys.manifests[recording_id].hex()

    key = derive_subkey(ingest.keys.data_keys[recording_id], rendition_label("original"))
    bound = associated_data(MERCY.tenant_id, recording_id, "original", 0)
    assert open_small(key, bound, await sealed_object(ingest, recording_id)) == content

    events = await ingest.events()
    assert [kind for kind, _, _ in events] == [
        "CallOpened",
        "RecordingRefused",
        "CallEnded",
        "RecordingSealed",
    ]
    assert RecordingRefused.FromString(events[1][2]).decision_id == problem["decisionId"]
    sealed = RecordingSealed.FromString(events[3][2])
    assert sealed.receipt_sha256 == hashlib.sha256(body["receipt"].encode()).digest()
    on_record = await ingest.rows(
        "SELECT event_id::text AS id FROM outbox WHERE type LIKE '%RecordingSealed'"
    )
    assert on_record[0]["id"] == receipt.claims["event"] == body["eventId"]
    planned = ingest.retention.switch.seen[-1]
    assert planned.clock_start.ToJsonString() == "2026-11-24T08:59:00Z"

    shown = await ingest.client.get(f"/v1/recordings/{recording_id}", headers=ingest.bearer())
    assert (shown.json()["state"], shown.json()["receipt"]) == ("sealed", body["receipt"])
    again = await ingest.client.get(f"/v1/receipts/{recording_id}", headers=ingest.bearer())
    assert again.json() == {"recordingId": recording_id, "receipt": body["receipt"]}
    call = await ingest.client.get(f"/v1/calls/{call_id}", headers=ingest.bearer())
    assert call.json()["recordings"] == [{"recordingId": recording_id, "state": "sealed", "reasons": []}]


async def test_nothing_identifying_and_no_plaintext_is_anywhere_but_sealed(ingest: World) -> None:
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    handler.setLevel(logging.DEBUG)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    pattern = b"PLANTED-SOUND-" * 8
    content = wav()[:-1000] + pattern + bytes(1000 - len(pattern))
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    try:
        call_id = await ingest.opened()
        form = {
            "kind": "written-form",
            "partyId": "patient",
            "formReference": "FORM-PLANTED-1",
            "givenAt": "2026-11-24T08:51:00Z",
        }
        await ingest.post(f"/v1/calls/{call_id}/evidence", form, **{"Idempotency-Key": "form-1"})
        taken = await ingest.upload(call_id, content, **{"Repr-Digest": f"sha-256=:{digest}:"})
        assert taken.json()["state"] == "sealed", taken.text
        await ingest.upload(call_id, content[:-1], key="upload-2", **{"Repr-Digest": f"sha-256=:{digest}:"})
        bad = ingest.call_body(notes=f"{NOTES}\x00", patientReference=PHI["patientReference"] * 50)
        problem = await ingest.post("/v1/calls", bad)
        assert problem.status_code == 400
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    needles = [
        *PHI.values(),
        NOTES,
        "FORM-PLANTED-1",
        pattern.decode(),
        hashlib.sha256(content).hexdigest(),
        digest,
    ]
    stored = [
        repr(tuple(row)) for table in TABLES for row in await ingest.rows(f"SELECT t::text FROM {table} t")
    ]
    assert len(stored) > 8
    texts = [*stored, log.getvalue(), taken.text, problem.text]
    for needle in needles:
        for text in texts:
            assert needle not in text
            assert needle.encode().hex() not in text
        for content_of_object in ingest.objects():
            assert needle.encode() not in content_of_object
    assert log.getvalue().count("\n") > 3

    document = (await ingest.rows("SELECT document FROM calls"))[0]["document"]
    key = derive_subkey(ingest.keys.data_keys[call_id], METADATA_LABEL)
    opened = json.loads(open_small(key, associated_data(MERCY.tenant_id, call_id, "metadata", 0), document))
    assert opened == {
        "parties": [
            {"partyId": "agent", "role": "organisation", "jurisdictions": ["CA"]},
            {"partyId": "patient", "role": "patient", "jurisdictions": ["TX"], "telephone": PHI["telephone"]},
        ],
        "patientReference": PHI["patientReference"],
        "agentId": PHI["agentId"],
        "notes": NOTES,
    }


async def test_only_what_is_needed_goes_to_the_neighbours(ingest: World) -> None:
    call_id = await ingest.opened()
    await ingest.upload(call_id)
    seen = [*ingest.consent.switch.seen, *ingest.retention.switch.seen]
    assert not any(
        value.encode() in message.SerializeToString() for value in PHI.values() for message in seen
    )
    issued = [m for m in ingest.keys.switch.seen if type(m).__name__ == "IssueDataKeyRequest"]
    assert [list(m.subkeys.renditions) for m in issued] == [[], ["original"]]
    assert [m.subkeys.metadata for m in issued] == [True, False]
    assert all(len(m.upload_secret_sha256) == 32 for m in issued)
    assert issued[0].expiry_month == "2036-12"
