"""Uploads under attack, over PostgreSQL: keys that were used up, senders that stop a step too early."""

import base64
from datetime import timedelta

import httpx

from callward_ingest.store.parts import DatabaseParts
from tests.integration.ingest.world import World
from tests.support.tenants import MERCY
from tests.unit.ingest.scene import wav

TUS = {"Tus-Resumable": "1.0.0"}


async def _created(
    ingest: World, call_id: str, content: bytes = b"", headers: dict[str, str] | None = None
) -> httpx.Response:
    stated = {
        "Content-Type": "audio/wav",
        "Upload-Complete": "?0",
        "Idempotency-Key": "once",
        **(headers or {}),
    }
    return await ingest.client.post(
        "/v1/uploads", params={"call": call_id}, content=content, headers=ingest.bearer() | stated
    )


async def test_the_key_of_an_upload_that_ended_is_free_for_a_new_one(ingest: World) -> None:
    call_id = await ingest.opened()
    first = await _created(ingest, call_id)
    assert (await _created(ingest, call_id)).headers["location"] == first.headers["location"]
    ended = await ingest.client.delete(first.headers["location"], headers=ingest.bearer())
    assert ended.status_code == 204
    again = await _created(ingest, call_id)
    assert again.status_code == 201
    assert again.headers["location"] != first.headers["location"]
    found = await ingest.client.head(again.headers["location"], headers=ingest.bearer())
    assert found.status_code == 204


async def test_a_key_that_stands_for_other_bytes_is_no_answer_to_these(ingest: World) -> None:
    call_id = await ingest.opened()
    digest, other = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
    stated = {"Upload-Length": "9", "Repr-Digest": f"sha-256=:{digest}:"}
    first = await _created(ingest, call_id, headers=stated)
    assert (await _created(ingest, call_id, headers=stated)).headers["location"] == first.headers["location"]
    for changed in ({"Upload-Length": "8"}, {"Repr-Digest": f"sha-256=:{other}:"}):
        answer = await _created(ingest, call_id, headers=stated | changed)
        assert answer.json()["type"] == "urn:callward:problem:idempotency-key-reused"


async def test_an_object_begun_after_its_upload_was_settled_is_found_by_the_sweeper(ingest: World) -> None:
    created = await _created(ingest, await ingest.opened())
    upload_id = created.headers["location"].rpartition("/")[2]
    await ingest.client.delete(created.headers["location"], headers=ingest.bearer())
    assert not await ingest.rows("SELECT 1 FROM open_uploads")
    async with ingest.db.transaction(MERCY.tenant_id) as transaction:
        # Another process was about to write a part, and dies.
        parts = DatabaseParts(transaction.connection, MERCY.tenant_id)
        await parts.stage(upload_id, "aa/left-behind", ingest.clock.now())
    ingest.clock.advance(timedelta(hours=2))
    assert await ingest.sweep() == {"cleaned": 1}
    assert not await ingest.rows("SELECT 1 FROM staged_objects")


async def test_a_sender_of_tus_that_finds_every_byte_taken_has_a_recording(ingest: World) -> None:
    """The process died, as it were, between the last byte and the end of its request."""
    call_id, content = await ingest.opened(), wav()
    created = await _created(ingest, call_id, content, {"Upload-Length": str(len(content))})
    assert created.headers["upload-offset"] == str(len(content))
    for _ in range(2):
        found = await ingest.client.head(created.headers["location"], headers=ingest.bearer() | TUS)
        assert (found.status_code, found.headers["upload-offset"]) == (200, str(len(content)))
    upload_id = created.headers["location"].rpartition("/")[2]
    receipt = await ingest.client.get(f"/v1/receipts/{upload_id}", headers=ingest.bearer())
    assert receipt.status_code == 200


async def test_a_digest_of_the_content_counts_in_tus_too(ingest: World) -> None:
    call_id, content = await ingest.opened(), wav()
    metadata = f"call {base64.b64encode(call_id.encode()).decode()}"
    stated = {"Upload-Length": str(len(content)), "Upload-Metadata": metadata, **TUS}
    created = await ingest.client.post("/v1/uploads", headers=ingest.bearer() | stated)
    assert created.status_code == 201, created.text
    wrong = base64.b64encode(bytes(32)).decode()
    sent = {"Content-Type": "application/offset+octet-stream", "Upload-Offset": "0", **TUS}
    answer = await ingest.client.patch(
        created.headers["location"],
        content=content,
        headers=ingest.bearer() | sent | {"Content-Digest": f"sha-256=:{wrong}:"},
    )
    assert (answer.status_code, answer.json()["type"]) == (400, "urn:callward:problem:digest-mismatch")
    found = await ingest.client.head(created.headers["location"], headers=ingest.bearer() | TUS)
    assert found.headers["upload-offset"] == "0"


async def test_a_leg_that_no_leg_can_be_called_is_refused_in_metadata(ingest: World) -> None:
    call_id = await ingest.opened()
    pairs = {"call": call_id, "leg": "a\0b"}
    metadata = ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in pairs.items()
    )
    answer = await ingest.client.post(
        "/v1/uploads",
        headers=ingest.bearer() | {"Upload-Length": "1", "Upload-Metadata": metadata, **TUS},
    )
    assert answer.status_code in (400, 422), answer.text
