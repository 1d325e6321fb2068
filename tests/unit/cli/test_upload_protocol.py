"""Header fields, waiting, places and digests: the small rules of an upload."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_cli.exits import CommandError, Exit
from callward_cli.upload import headers
from callward_cli.upload.errors import GivenUp, Interrupted, Refused
from callward_cli.upload.headers import Limits
from callward_cli.upload.media_types import media_type_of
from callward_cli.upload.outcome import Outcome, exit_code
from callward_cli.upload.patience import FIRST_WAIT, LONGEST_WAIT, Patience
from callward_cli.upload.places import base_url, same_origin
from tests.support.clock import ManualClock


def answer(**fields: str) -> httpx.Response:
    return httpx.Response(204, headers={name.replace("_", "-"): value for name, value in fields.items()})


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("0", 0),
        ("17", 17),
        ("17;a=1", 17),
        ("-1", None),
        ("1.0", None),
        ("?1", None),
        ("", None),
        ("1, 2", None),
    ],
)
def test_an_offset_of_another_type_counts_as_absent(text: str, offset: int | None) -> None:
    assert headers.offset_of(answer(Upload_Offset=text)) == offset
    assert headers.length_of(answer(Upload_Length=text)) == offset


@pytest.mark.parametrize(
    ("text", "value"), [("?1", True), ("?0", False), ("1", None), ("true", None), ("?2", None)]
)
def test_completeness(text: str, value: bool | None) -> None:
    assert headers.completeness(answer(Upload_Complete=text)) is value


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("max-size=5, max-append-size=4, min-append-size=3, max-age=2", Limits(5, 4, 3, 2)),
        ("max-size=5, other=?1", Limits(5)),
        ("max-size=5, max-age=?1", Limits()),
        ("max-size=-5", Limits()),
        ("max-size=(1 2)", Limits()),
        ("max-size", Limits()),
        ("not a dictionary", Limits()),
    ],
)
def test_limits(text: str, limits: Limits) -> None:
    assert headers.limits_of(answer(Upload_Limit=text)) == limits


@given(st.binary(max_size=40))
def test_no_field_of_an_answer_breaks_the_reader(raw: bytes) -> None:
    names = (b"Upload-Offset", b"Upload-Limit", b"Upload-Complete", b"Retry-After")
    found = httpx.Response(204, headers=[(name, raw) for name in names])
    for read in (headers.offset_of, headers.limits_of, headers.completeness, headers.retry_after):
        read(found)


@pytest.mark.parametrize(
    ("text", "seconds"), [("0", 0), ("7", 7), ("-1", None), ("Wed, 21 Oct 2026", None), ("", None)]
)
def test_retry_after(text: str, seconds: float | None) -> None:
    assert headers.retry_after(answer(Retry_After=text)) == seconds


def test_the_digest_field_is_that_of_rfc_9530() -> None:
    assert headers.digest_field(bytes(32)) == "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"


class Waits:
    """Sleeps that only move a clock on."""

    def __init__(self, retry_for: float = 3600.0, chance: Callable[[], float] = lambda: 1.0) -> None:
        self.clock, self.slept, self.said = ManualClock(), list[float](), list[str]()
        self.patience = Patience(self.clock, retry_for, sleep=self._sleep, chance=chance)

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(timedelta(seconds=seconds))

    def wait(self, retry_after: float | None = None) -> None:
        asyncio.run(
            self.patience.wait(Interrupted("it broke", retry_after), lambda _, why: self.said.append(why))
        )


def test_waits_double_up_to_their_bound() -> None:
    waits = Waits()
    for _ in range(10):
        waits.wait()
    assert waits.slept == [0.5, 1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert (waits.slept[0], waits.slept[-1]) == (FIRST_WAIT, LONGEST_WAIT)


def test_progress_makes_the_next_wait_a_first_one() -> None:
    waits = Waits()
    waits.wait()
    waits.wait()
    waits.patience.came_through()
    waits.wait()
    assert waits.slept == [0.5, 1, 0.5]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=40))
def test_waits_are_never_outside_half_and_whole_of_the_step(chances: list[float]) -> None:
    waits = Waits(1e9, iter(chances).__next__)
    for _ in chances:
        waits.wait()
    for number, slept in enumerate(waits.slept):
        step = min(LONGEST_WAIT, FIRST_WAIT * 2**number)
        assert step / 2 <= slept <= step


def test_the_platforms_own_wish_counts_when_it_is_longer() -> None:
    waits = Waits()
    waits.wait(20.0)
    waits.wait(0.0)
    assert waits.slept == [20, 1]


def test_it_is_given_up_after_the_whole_time_and_not_before() -> None:
    waits = Waits(10.0)
    while sum(waits.slept) < 10:
        waits.wait()
    assert sum(waits.slept) == 10
    with pytest.raises(GivenUp, match="it broke; tried for 10 s"):
        waits.wait()
    with pytest.raises(GivenUp):
        Waits(0.0).wait()


@pytest.mark.parametrize(
    "url",
    ["https://vault.example.org", "https://vault.example.org/", "http://127.0.0.1:8401", "http://[::1]:1"],
)
def test_addresses_that_are_taken(url: str) -> None:
    assert base_url(url, "the server") == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "vault.example.org",
        "http://vault.example.org",
        "http://127.0.0.1.example.org",
        "https://a:b@vault.example.org",
        "https://vault.example.org/?q=1",
        "https://vault.example.org:0",
        "https://vault.example.org:99999",
        "https://[vault",
        "file:///etc/passwd",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(CommandError):
        base_url(url, "the server")


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://vault.example.org/v1/uploads/1", True),
        ("https://vault.example.org:443/x", True),
        ("http://vault.example.org/x", False),
        ("https://vault.example.org:8443/x", False),
        ("https://vault.example.org.evil.example/x", False),
    ],
)
def test_origins(url: str, same: bool) -> None:
    assert same_origin(url, "https://vault.example.org") is same


@pytest.mark.parametrize(
    ("path", "given", "found"),
    [
        ("a.wav", None, "audio/wav"),
        ("A.WAV", None, "audio/wav"),
        ("a.opus", None, "audio/ogg"),
        ("a", "audio/x", "audio/x"),
    ],
)
def test_media_types(path: str, given: str | None, found: str) -> None:
    assert media_type_of(path, given) == found


@pytest.mark.parametrize(
    ("path", "given"), [("a.bin", None), ("a", None), ("a.wav", "wav"), ("a.wav", "audio/x\r\nX: y")]
)
def test_media_types_that_are_refused(path: str, given: str | None) -> None:
    with pytest.raises(CommandError):
        media_type_of(path, given)


@pytest.mark.parametrize(
    ("codes", "whole"),
    [
        ([], Exit.ok),
        ([Exit.usage, Exit.failed], Exit.failed),
        ([Exit.failed, Exit.platform, Exit.usage], Exit.platform),
        ([Exit.usage], Exit.usage),
    ],
)
def test_the_gravest_outcome_decides_the_exit_code(codes: list[Exit], whole: Exit) -> None:
    assert exit_code(Outcome("a", error=CommandError("x", code)) for code in codes) is whole


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refused(403, "consent-required", ""), Exit.failed),
        (Refused(401, "token-invalid", ""), Exit.usage),
        (Refused(403, "scope-missing", ""), Exit.usage),
        (Refused(413, "body-too-large", ""), Exit.failed),
        (Refused(500, "internal-error", ""), Exit.platform),
    ],
)
def test_a_refused_sign_in_is_no_refused_recording(refusal: Refused, code: Any) -> None:
    assert refusal.code is code
