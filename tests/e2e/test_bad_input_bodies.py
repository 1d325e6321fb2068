"""Bodies that are not what they should be: each is refused with its type, and nothing of it is kept."""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.audio import wav
from tests.support.doors import Callward, Client, problem, saw
from tests.support.journeys import answered, consented_call, open_call, upload
from tests.support.platform import SMALL_BODY, RunningPlatform
from tests.support.raw import RawUpload
from tests.support.waiting import eventually


def stored(platform: RunningPlatform) -> set[Path]:
    """Every file of the object store, unfinished ones included."""
    return {path for path in platform.objects.rglob("*") if path.is_file()}


def attempts(platform: RunningPlatform, call_id: str) -> list[dict[str, Any]]:
    rows = platform.sql(
        "ingest",
        "SELECT recording_id, state FROM recordings WHERE call_id = $1",
        call_id,
        role="admin",
    )
    return [{name: str(value) for name, value in row.items()} for row in rows]


def key_states(platform: RunningPlatform, recording_ids: list[str]) -> set[str]:
    rows = platform.sql(
        "key-management",
        "SELECT state FROM data_keys WHERE subject_id = ANY($1::uuid[])",
        recording_ids,
        role="admin",
    )
    return {str(row["state"]) for row in rows}


class NothingKept:
    """What was there before a bad upload, and that nothing more is there after it."""

    def __init__(self, platform: RunningPlatform, call_id: str) -> None:
        self._platform, self._call_id, self._before = platform, call_id, stored(platform)

    def demand(self) -> None:
        """The sender may be gone before the service has cleaned up: that is waited for."""
        eventually(lambda: not self._left(), f"that nothing is kept; left are {self._left()}")

    def _left(self) -> list[str]:
        states = {row["state"] for row in attempts(self._platform, self._call_id)} - {"abandoned"}
        ids = [row["recording_id"] for row in attempts(self._platform, self._call_id)]
        files = {path.name for path in stored(self._platform) - self._before}
        return sorted(states | files | (key_states(self._platform, ids) - {"shred_pending"}))


@pytest.fixture
def call_id(callward: Callward) -> str:
    return consented_call(callward.call_platform())


@pytest.mark.parametrize("announced", [True, False], ids=["content-length", "chunked"])
def test_a_body_that_stops_halfway_leaves_nothing(
    callward: Callward, platform: RunningPlatform, call_id: str, announced: bool
) -> None:
    audio, nothing, key = wav(3), NothingKept(platform, call_id), secrets.token_hex(8)
    size = len(audio) if announced else None
    with RawUpload(callward.call_platform(), call_id, announced=size, key=key) as raw:
        raw.send(audio[:150_000])
        eventually(lambda: attempts(platform, call_id), "the upload's begin")
        assert key_states(platform, [row["recording_id"] for row in attempts(platform, call_id)]) <= {"open"}
    eventually(
        lambda: {row["state"] for row in attempts(platform, call_id)} == {"abandoned"},
        "that the attempt is given up",
    )
    nothing.demand()
    # The same request may be sent again and is taken.
    answer = answered(upload(callward.call_platform(), call_id, audio, key=key), 201)
    assert answer["state"] == "sealed"


def test_a_body_larger_than_the_limit(strict: Callward, strict_platform: RunningPlatform) -> None:
    platform = strict.call_platform()
    call_id = consented_call(platform)
    nothing = NothingKept(strict_platform, call_id)
    assert saw(upload(platform, call_id, wav(SMALL_BODY / 64_000))) == (413, "body-too-large")
    assert attempts(strict_platform, call_id) == [], "what is announced as too large is not begun"

    def unannounced() -> Iterator[bytes]:
        audio = wav(2 * SMALL_BODY / 64_000)
        yield from (audio[at : at + 10_000] for at in range(0, len(audio), 10_000))

    answer = platform.post(
        f"/v1/recordings?call={call_id}",
        content=unannounced(),
        headers={"Content-Type": "audio/wav", "Idempotency-Key": secrets.token_hex(8)},
    )
    assert saw(answer) == (413, "body-too-large")
    nothing.demand()
    fits = wav((SMALL_BODY - 100) / 64_000)
    assert len(fits) <= SMALL_BODY
    assert answered(upload(platform, call_id, fits), 201)["state"] == "sealed"


def test_a_sender_that_falls_silent(strict: Callward, strict_platform: RunningPlatform) -> None:
    call_id = consented_call(strict.call_platform())
    nothing = NothingKept(strict_platform, call_id)
    with RawUpload(strict.call_platform(), call_id, announced=100_000, key=secrets.token_hex(8)) as raw:
        raw.send(wav(0.5)[:20_000])
        assert raw.status() == 408
    nothing.demand()


@pytest.mark.parametrize("header", ["Content_Digest", "Repr_Digest"])
def test_a_wrong_digest(callward: Callward, platform: RunningPlatform, call_id: str, header: str) -> None:
    audio, nothing = wav(3), NothingKept(platform, call_id)
    wrong = base64.b64encode(hashlib.sha256(b"another body").digest()).decode()
    refused = upload(callward.call_platform(), call_id, audio, **{header: f"sha-256=:{wrong}:"})
    assert saw(refused) == (400, "digest-mismatch")
    nothing.demand()
    right = base64.b64encode(hashlib.sha256(audio).digest()).decode()
    taken = upload(callward.call_platform(), call_id, audio, **{header: f"sha-256=:{right}:"})
    assert answered(taken, 201)["state"] == "sealed"


@pytest.mark.parametrize("value", ["sha-256=:bm90IGEgZGlnZXN0:", "sha-256=nonsense", "x" * 9000])
def test_a_digest_that_is_none(
    callward: Callward, platform: RunningPlatform, call_id: str, value: str
) -> None:
    nothing = NothingKept(platform, call_id)
    refused = upload(callward.call_platform(), call_id, wav(0.5), Content_Digest=value)
    assert refused.status_code == 400, refused.text
    assert problem(refused) in ("invalid-request", "digest-mismatch")
    nothing.demand()


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "ü"], ids=["empty", "space", "long", "umlaut"])
def test_an_idempotency_key_that_is_none(callward: Callward, call_id: str, key: str) -> None:
    platform = callward.call_platform()
    for path, content in (
        (f"/v1/recordings?call={call_id}", {"content": wav(0.2)}),
        (f"/v1/calls/{call_id}/end", {"json": {"endedAt": "2025-11-05T18:30:30Z"}}),
    ):
        headers: Any = {"Idempotency-Key": key.encode()}
        if "content" in content:
            headers["Content-Type"] = "audio/wav"
        refused = platform.post(path, headers=headers, **content)
        assert refused.status_code == 400, refused.text
        assert problem(refused) in ("invalid-request", "idempotency-key-required")


def test_an_upload_without_a_key(callward: Callward, platform: RunningPlatform, call_id: str) -> None:
    nothing = NothingKept(platform, call_id)
    answer = callward.call_platform().post(
        f"/v1/recordings?call={call_id}", content=wav(0.5), headers={"Content-Type": "audio/wav"}
    )
    assert saw(answer) == (400, "idempotency-key-required")
    nothing.demand()


@pytest.mark.parametrize(
    ("kind", "coding"),
    [
        ("application/json", None),
        ("multipart/form-data; boundary=x", None),
        ("video/mp4", None),
        ("audio/wav", "gzip"),
    ],
)
def test_what_is_not_announced_as_wav(
    callward: Callward, platform: RunningPlatform, call_id: str, kind: str, coding: str | None
) -> None:
    nothing = NothingKept(platform, call_id)
    headers = {"Content_Type": kind} | ({"Content_Encoding": coding} if coding else {})
    answer = callward.call_platform().post(
        f"/v1/recordings?call={call_id}",
        content=wav(0.5),
        headers={name.replace("_", "-"): value for name, value in headers.items()}
        | {"Idempotency-Key": secrets.token_hex(8)},
    )
    assert saw(answer) == (415, "unsupported-media-type")
    nothing.demand()


def test_json_that_is_none(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = open_call(platform)
    for path in ("/v1/calls", f"/v1/calls/{call_id}/evidence", f"/v1/calls/{call_id}/end"):
        for body, status, expected in _odd_json():
            answer = platform.post(path, content=body, headers={"Content-Type": "application/json"})
            assert saw(answer) == (status, expected), (path, body[:40])
        other = platform.post(path, content=b"{}", headers={"Content-Type": "text/plain"})
        assert saw(other) == (415, "unsupported-media-type")


def _odd_json() -> list[tuple[bytes, int, str]]:
    return [
        (b"", 400, "invalid-request"),
        (b"{", 400, "invalid-request"),
        (b"[]", 400, "invalid-request"),
        (b"null", 400, "invalid-request"),
        (b'"text"', 400, "invalid-request"),
        (b"{}", 400, "invalid-request"),
        (b"\xff\xfe{}", 400, "invalid-request"),
        (b"[" * 20_000, 400, "invalid-request"),
        (b'{"queue": NaN}', 400, "invalid-request"),
        (b" " * (64 * 1024 + 1), 413, "too-large"),
    ]


def test_what_does_not_exist(callward: Callward) -> None:
    clients: list[Client] = [callward.call_platform(), callward.person(), callward.siem()]
    for client in clients:
        assert saw(client.get("/v1/nothing")) == (404, "not-found")
        assert saw(client.request("PATCH", "/v1/nothing")) == (404, "not-found")
    assert saw(callward.call_platform().request("PATCH", "/v1/calls")) == (405, "method-not-allowed")
