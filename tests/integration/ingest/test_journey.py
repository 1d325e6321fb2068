"""A call from its beginning to its sealed recording, and what of it can be found anywhere."""

import base64
import hashlib
import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from joserfc import jwt
from joserfc.jwk import KeySet

from callward.ingest.v1 import manifest_pb2
from callward.ingest.v1.events_pb2 import RecordingRefused, RecordingSealed
from callward_common.telemetry.logging import JsonFormatter
from callward_crypto.keys import (
    METADATA_LABEL,
    associated_data,
    derive_subkey,
    open_small,
    rendition_label,
)
from tests.integration.ingest.world import NOTES, PHI, World
from tests.support import oracle_tink
from tests.support.tenants import MERCY
from tests.unit.ingest.scene import wav

TABLES = ("calls", "pseudonyms", "recordings", "manifests", "idempotency", "outbox", "inbox", "dead_letters")


async def sealed_object(ingest: World, recording_id: str) -> bytes:
    rows = await ingest.rows("SELECT manifest FROM manifests")
    manifests = [manifest_pb2.Manifest.FromString(row["manifest"]) for row in rows]
    part = next(m for m in manifests if m.recording_id == recording_id).renditions[0].parts[0]
    return next(c for c in ingest.objects() if hashlib.sha256(c).digest() == part.ciphertext_sha256)


async def test_a_call_is_decided_and_refused_until_there_is_evidence(ingest: World) -> None:
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
    assert (await ingest.upload(call_id)).json()["state"] == "sealed"
    events = await ingest.events()
    assert [kind for kind, _, _ in events] == ["CallOpened", "RecordingRefused", "RecordingSealed"]
    assert RecordingRefused.FromString(events[1][2]).decision_id == problem["decisionId"]


async def test_what_is_stored_decrypts_to_what_was_sent_by_stock_tink_too(ingest: World) -> None:
    content = wav(seconds=20)
    taken = await ingest.upload(await ingest.opened(), content)
    assert taken.status_code == 201, taken.text
    recording_id = taken.json()["recordingId"]
    assert (taken.json()["state"], taken.json()["reasons"]) == ("sealed", [])
    assert taken.json()["media"]["codec"] == "pcm_mulaw"
    assert taken.json()["retention"]["citation"] == "22 CCR § 70751(c)"
    key = derive_subkey(ingest.keys.data_keys[recording_id], rendition_label("original"))
    bound = associated_data(MERCY.tenant_id, recording_id, "original", 0)
    stored = await sealed_object(ingest, recording_id)
    assert open_small(key, bound, stored) == content
    assert oracle_tink.unseal(key, bound, stored) == content


async def test_a_receipt_verifies_and_names_what_is_on_record(ingest: World) -> None:
    content = wav()
    digest = hashlib.sha256(content).digest()
    field = f"sha-256=:{base64.b64encode(digest).decode()}:"
    taken = await ingest.upload(
        await ingest.opened(), content, **{"Repr-Digest": field, "Content-Digest": field}
    )
    body = taken.json()
    published = await ingest.client.get("/.well-known/jwks.json")
    assert published.headers["cache-control"].startswith("public")
    receipt = jwt.decode(body["receipt"], KeySet.import_key_set(published.json()), ["EdDSA"])
    assert receipt.header["typ"] == "callward-receipt+jwt"
    nonce = base64.urlsafe_b64decode(body["receiptCommitmentNonce"] + "=")
    assert receipt.claims["commitment"] == hashlib.sha256(nonce + digest).hexdigest()
    assert receipt.claims["manifest"] == ingest.keys.manifests[body["recordingId"]].hex()
    sealed = RecordingSealed.FromString((await ingest.events())[-1][2])
    assert sealed.receipt_sha256 == hashlib.sha256(body["receipt"].encode()).digest()
    on_record = await ingest.rows(
        "SELECT event_id::text AS id FROM outbox WHERE type LIKE '%RecordingSealed'"
    )
    assert on_record[0]["id"] == receipt.claims["event"] == body["eventId"]


async def test_what_was_taken_in_is_shown_again(ingest: World) -> None:
    call_id = await ingest.opened()
    ended = await ingest.post(f"/v1/calls/{call_id}/end", {"endedAt": "2026-11-24T08:59:00Z"})
    assert (ended.status_code, ended.json()["endedAt"]) == (200, "2026-11-24T08:59:00.000Z")
    body = (await ingest.upload(call_id)).json()
    recording_id = body["recordingId"]
    planned = ingest.retention.switch.seen[-1]
    assert planned.clock_start.ToJsonString() == "2026-11-24T08:59:00Z"
    shown = await ingest.client.get(f"/v1/recordings/{recording_id}", headers=ingest.bearer())
    assert (shown.json()["state"], shown.json()["receipt"]) == ("sealed", body["receipt"])
    again = await ingest.client.get(f"/v1/receipts/{recording_id}", headers=ingest.bearer())
    assert again.json() == {"recordingId": recording_id, "receipt": body["receipt"]}
    call = await ingest.client.get(f"/v1/calls/{call_id}", headers=ingest.bearer())
    assert call.json()["endedAt"] == "2026-11-24T08:59:00.000Z"
    assert call.json()["recordings"] == [{"recordingId": recording_id, "state": "sealed", "reasons": []}]


@contextmanager
def logged() -> Iterator[io.StringIO]:
    """Everything that is logged in the block, as the service's logs have it, at the most talkative level."""
    log = io.StringIO()
    handler = logging.StreamHandler(log)
    handler.setFormatter(JsonFormatter())
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield log
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


async def everything_planted(ingest: World, content: bytes, digest: str) -> list[str]:
    """Sends what identifies, sound and a digest, well and badly; returns what was answered."""
    call_id = await ingest.opened()
    form = {
        "kind": "written-form",
        "partyId": "patient",
        "formReference": "FORM-PLANTED-1",
        "givenAt": "2026-11-24T08:51:00Z",
    }
    bad = ingest.call_body(notes=f"{NOTES}\x00", patientReference=PHI["patientReference"] * 50)
    field = {"Repr-Digest": f"sha-256=:{digest}:"}
    answers = [
        await ingest.post(f"/v1/calls/{call_id}/evidence", form, **{"Idempotency-Key": "form-1"}),
        await ingest.upload(call_id, content, **field),
        await ingest.upload(call_id, content[:-1], key="upload-2", **field),
        await ingest.post("/v1/calls", bad),
    ]
    assert [answer.status_code for answer in answers] == [201, 201, 400, 400]
    assert answers[1].json()["state"] == "sealed"
    return [answer.text for answer in answers]


async def test_nothing_identifying_and_no_plaintext_is_anywhere_but_sealed(ingest: World) -> None:
    pattern = b"PLANTED-SOUND-" * 8
    content = wav()[:-1000] + pattern + bytes(1000 - len(pattern))
    sha256 = hashlib.sha256(content)
    digest = base64.b64encode(sha256.digest()).decode()
    with logged() as log:
        answered = await everything_planted(ingest, content, digest)
    assert log.getvalue().count("\n") > 3
    stored = [
        repr(tuple(row)) for table in TABLES for row in await ingest.rows(f"SELECT t::text FROM {table} t")
    ]
    assert len(stored) > 8
    objects = ingest.objects()
    assert objects
    for needle in (*PHI.values(), NOTES, "FORM-PLANTED-1", pattern.decode(), sha256.hexdigest(), digest):
        for text in (*stored, log.getvalue(), *answered):
            assert needle not in text
            assert needle.encode().hex() not in text
        assert not any(needle.encode() in each for each in objects)


async def test_what_identifies_is_in_the_calls_sealed_document(ingest: World) -> None:
    call_id = await ingest.opened()
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
    assert [list(m.subkeys.renditions) for m in issued] == [[], ["original", "peaks"]]
    assert [m.subkeys.metadata for m in issued] == [True, False]
    assert all(len(m.upload_secret_sha256) == 32 for m in issued)
    assert issued[0].expiry_month == "2036-12"
