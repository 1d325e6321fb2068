"""What the door reads and refuses before a use case sees it."""

import base64
import hashlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.requests import Request

from callward_common.errors import InvalidRequest, Unavailable, UnsupportedMediaType
from callward_common.identity import ANONYMOUS
from callward_ingest.app.denials import Denials
from callward_ingest.app.directory import Directory
from callward_ingest.domain.errors import BodyIncomplete, BodyTimeout, BodyTooLarge
from callward_ingest.domain.events import AccessDenied
from callward_ingest.domain.uploads import StatedDigests
from callward_ingest.http import answers
from callward_ingest.http.body import Body, demand_known_expectation, demand_media, demand_size
from callward_ingest.http.digests import stated_digests
from callward_ingest.http.schemas import OpenCallBody
from callward_ingest.settings import IngestSettings
from tests.support.clock import ManualClock
from tests.unit.ingest.fakes import FakeSigningKeys, MemoryUnits
from tests.unit.ingest.scene import ACTOR, TENANT, Scene, wav

DIGEST = hashlib.sha256(b"x").digest()
FIELD = f"sha-256=:{base64.b64encode(DIGEST).decode()}:"


def request(*headers: tuple[str, str], messages: list[dict[str, Any]] | None = None) -> Request:
    pending: Iterator[dict[str, Any]] = iter(messages or [])

    async def receive() -> dict[str, Any]:
        return next(pending)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    return Request({"type": "http", "method": "POST", "path": "/", "headers": raw}, receive)


@pytest.mark.parametrize("value", [FIELD, f"sha-512=:AAAA:, {FIELD}", f"{FIELD};note=1"])
def test_a_sha_256_digest_is_read(value: str) -> None:
    assert stated_digests(request(("Content-Digest", value))) == StatedDigests(content=DIGEST)
    assert stated_digests(request(("Repr-Digest", value))) == StatedDigests(representation=DIGEST)


@pytest.mark.parametrize(
    "value",
    ["", "sha-256=abc", "sha-256", "sha-512=:AAAA:", "sha-256=:AAAA:", "sha-256=:", "é", "a=1, " * 300],
)
def test_a_digest_that_cannot_be_checked_is_refused_and_not_echoed(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        stated_digests(request(("Content-Digest", value)))
    assert refused.value.extra == {"header": "Content-Digest"}


def test_without_digest_headers_nothing_is_stated() -> None:
    assert stated_digests(request()) == StatedDigests()


@pytest.mark.parametrize("kind", ["audio/wav", "audio/x-wav", "AUDIO/WAV; codec=1", "audio/vnd.wave"])
def test_wav_is_taken(kind: str) -> None:
    demand_media(request(("Content-Type", kind), ("Content-Encoding", "identity")))


@pytest.mark.parametrize(
    "kind", ["", "application/octet-stream", "video/mp4", "multipart/form-data; boundary=x"]
)
def test_other_media_types_are_refused(kind: str) -> None:
    with pytest.raises(UnsupportedMediaType) as refused:
        demand_media(request(("Content-Type", kind)))
    assert ("spooled" in refused.value.detail) == kind.startswith("multipart")


def test_content_codings_are_refused() -> None:
    with pytest.raises(UnsupportedMediaType):
        demand_media(request(("Content-Type", "audio/wav"), ("Content-Encoding", "gzip")))


def test_an_announced_size_above_the_limit_is_refused_before_the_body() -> None:
    demand_size(request(("Content-Length", "10")), 10)
    demand_size(request(), 10)
    with pytest.raises(BodyTooLarge):
        demand_size(request(("Content-Length", "11")), 10)


def test_only_100_continue_may_be_expected() -> None:
    demand_known_expectation(request(("Expect", "100-Continue")))
    with pytest.raises(InvalidRequest):
        demand_known_expectation(request(("Expect", "200-ok")))


async def chunks_of(body: Body) -> list[bytes]:
    return [chunk async for chunk in body]


async def test_a_body_is_read_chunk_by_chunk() -> None:
    sent: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "body": b"", "more_body": True},
        {"type": "http.request", "body": b"c", "more_body": False},
    ]
    body = Body(request(messages=sent), ManualClock(), idle_timeout=1, min_rate=1)
    assert await chunks_of(body) == [b"ab", b"c"]


async def test_a_sender_that_goes_away_is_told_apart_from_the_end() -> None:
    sent: list[dict[str, Any]] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.disconnect"},
    ]
    with pytest.raises(BodyIncomplete):
        await chunks_of(Body(request(messages=sent), ManualClock(), idle_timeout=1, min_rate=1))


async def test_a_sender_that_trickles_is_cut_off_and_a_slow_store_is_not() -> None:
    clock = ManualClock()

    class Trickle:
        def __init__(self, *, slow_sender: bool) -> None:
            self.slow_sender = slow_sender

        async def stream(self) -> AsyncIterator[bytes]:
            for _ in range(20):
                if self.slow_sender:
                    clock.advance(timedelta(seconds=10))
                yield b"x"

    async def read(*, slow_sender: bool) -> None:
        source: Any = Trickle(slow_sender=slow_sender)
        async for _ in Body(source, clock, idle_timeout=60, min_rate=100):
            clock.advance(timedelta(seconds=30))

    await read(slow_sender=False)
    with pytest.raises(BodyTimeout) as refused:
        await read(slow_sender=True)
    assert refused.value.http_status == 408


async def test_refusals_of_a_tenant_are_on_record_up_to_a_rate() -> None:
    units, clock = MemoryUnits(), ManualClock()
    denials = Denials(units, clock, per_minute=2)
    for _ in range(5):
        await denials.record(TENANT, ACTOR, "open_call", "scope-missing")
        await denials.record("", ANONYMOUS, "open_call", "token-invalid")
    assert [e for e, _ in units.rows(TENANT).events] == [
        AccessDenied(ACTOR, "open_call", "scope-missing")
    ] * 2
    assert len(units.rows("").events) == 2
    clock.advance(timedelta(minutes=1))
    await denials.record(TENANT, ACTOR, "open_call", "scope-missing")
    assert len(units.rows(TENANT).events) == 3


async def test_signing_keys_are_kept_for_a_while_and_outlive_an_outage() -> None:
    source, clock = FakeSigningKeys(), ManualClock()
    directory = Directory(source, clock, max_age=300)
    first = await directory.jwks()
    assert first["keys"][0]["kid"] == "k1"  # type: ignore[index, call-overload]
    assert await directory.jwks() == first
    assert source.asked == 1
    source.failing = Unavailable("away")
    clock.advance(timedelta(minutes=6))
    assert await directory.jwks() == first
    answers.JsonWebKeySet.model_validate(first)


async def test_signing_keys_that_were_never_read_are_no_empty_set() -> None:
    source = FakeSigningKeys()
    source.failing = Unavailable("away")
    with pytest.raises(Unavailable):
        await Directory(source, ManualClock(), max_age=300).jwks()


async def test_answers_have_the_form_that_openapi_describes() -> None:
    scene = Scene()
    opened = await scene.calls.open(scene.request(), scene.new_call())
    call_id = answers.CallOpened.model_validate(opened.body).call_id
    stated = StatedDigests(representation=hashlib.sha256(wav()).digest())
    taken = answers.RecordingTaken.model_validate((await scene.send(call_id, stated=stated)).body)
    answers.RecordingAnswer.model_validate(await scene.reading.recording(TENANT, taken.recording_id))
    answers.CallAnswer.model_validate(await scene.reading.call(TENANT, call_id))


PARTIES = [{"partyId": "a", "role": "organisation"}, {"partyId": "b", "role": "patient"}]
CALL: dict[str, Any] = {
    "queue": "cardiology",
    "direction": "inbound",
    "startedAt": "2026-11-24T09:00:00Z",
    "parties": PARTIES,
}


@pytest.mark.parametrize(
    "change",
    [
        {"queue": "a" * 65},
        {"queue": "two words"},
        {"queue": ""},
        {"direction": "sideways"},
        {"startedAt": "2026-11-24T09:00:00"},
        {"startedAt": 1_800_000_000},
        {"parties": PARTIES[:1]},
        {"parties": PARTIES * 17},
        {"parties": [PARTIES[0], PARTIES[0]]},
        {"parties": [PARTIES[0], {**PARTIES[1], "telephone": "0512 555"}]},
        {"parties": [PARTIES[0], {**PARTIES[1], "jurisdictions": ["CA"] * 9}]},
        {"parties": [PARTIES[0], {**PARTIES[1], "jurisdictions": ["C\nA"]}]},
        {"patientReference": "x" * 201},
        {"patientReference": "MRN\x00"},
        {"agentId": "x\x1b[31m"},
        {"notes": "x" * 4001},
        {"notes": "a\u2028b"},
        {"surprise": 1},
    ],
    ids=lambda change: next(iter(change)) if isinstance(change, dict) else None,
)
def test_malformed_calls_are_refused(change: dict[str, Any]) -> None:
    OpenCallBody.model_validate(CALL)
    with pytest.raises(ValidationError):
        OpenCallBody.model_validate(CALL | change)


def test_settings_have_defaults_and_refuse_a_hold_that_silence_outlasts() -> None:
    assert IngestSettings().max_body_bytes == 2 * 1024**3
    from callward_common.settings import SettingsError

    with pytest.raises(SettingsError):
        IngestSettings(body_idle_timeout=200.0)
