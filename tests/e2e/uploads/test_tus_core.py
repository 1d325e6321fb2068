"""tus 1.0: versions, offsets, PATCH, HEAD and OPTIONS (the core protocol)."""

import pytest

from tests.e2e.uploads.tus import PATCH_TYPE, VERSION, Tus
from tests.support.audio import wav
from tests.support.doors import CLINIC, Callward
from tests.support.journeys import consented_call
from tests.support.uploads import Answer, Header, Sender, heard, shows, upload_id

AUDIO = wav(2)
#: Values that are no non-negative whole number in decimal digits.
NO_NUMBERS = ("", "-1", "abc", "1.0", '"0"', "?0", "0 0", "0x0", "1e3", "+0", "9" * 40)


@pytest.fixture(scope="module")
def tus(sender: Sender) -> Tus:
    return Tus(sender)


@pytest.fixture(scope="module")
def untouched(tus: Tus) -> str:
    """An upload without a byte, that no test adds to."""
    return tus.created(len(AUDIO))


def test_an_upload_completes_with_its_last_byte(tus: Tus, callward: Callward) -> None:
    path = tus.created(len(AUDIO))
    for at in range(0, len(AUDIO), 50_000):
        piece = AUDIO[at : at + 50_000]
        answer = tus.patch(path, at, piece)
        assert (answer.status, answer.offset) == (204, at + len(piece))
    assert tus.sender.state(path) == "complete"
    assert heard(callward, upload_id(path)) == AUDIO


@shows("T-1", "T-2")
@pytest.mark.parametrize("value", NO_NUMBERS)
def test_numbers_that_are_none(tus: Tus, untouched: str, value: str) -> None:
    path = untouched
    answer = tus.patch(path, 0, AUDIO[:10], ("Upload-Offset", value))
    assert answer.problem() == (400, "invalid-request")
    assert tus.head(path).offset == 0
    created = tus.create(1, ("Upload-Length", value))
    assert created.problem()[0] in (400, 413), created
    assert created.get("Location") is None


@shows("T-1", "T-2")
@pytest.mark.parametrize("name", ["Upload-Offset", "Upload-Length", "Upload-Metadata", "Upload-Defer-Length"])
def test_a_header_twice(tus: Tus, untouched: str, name: str) -> None:
    path = untouched
    twice: dict[str, list[Header]] = {
        "Upload-Offset": [(name, "0"), (name, "0")],
        "Upload-Length": [(name, "9"), (name, "8")],
        "Upload-Metadata": [(name, tus.metadata()), (name, tus.metadata())],
        "Upload-Defer-Length": [(name, "1"), (name, "1")],
    }
    if name == "Upload-Offset":
        answer = tus.patch(path, 0, AUDIO[:10], *twice[name])
    elif name == "Upload-Defer-Length":
        answer = tus.create(None, *twice[name])
    else:
        answer = tus.create(9, *twice[name])
    assert answer.problem() == (400, "invalid-request")
    assert tus.head(path).offset == 0


def _answers(tus: Tus) -> list[Answer]:
    """One answer of each kind, refusals among them."""
    path = tus.created(len(AUDIO))
    gone = tus.created(5)
    return [
        tus.create(5),
        tus.create(5, ("Upload-Length", None)),
        tus.patch(path, 0, AUDIO[:9]),
        tus.patch(path, 0, AUDIO[:9]),
        tus.patch(path, 9, AUDIO[:9], ("Content-Type", "text/plain")),
        tus.head(path),
        tus.delete(gone),
        tus.head(gone),
        tus.head("/v1/uploads/nothing"),
        tus.patch(path, 9, AUDIO[9:]),
    ]


@shows("T-4")
def test_every_answer_names_the_version(tus: Tus) -> None:
    answers = _answers(tus)
    assert [each.status for each in answers[:7]] == [201, 400, 204, 409, 415, 200, 204]
    assert {each.get("Tus-Resumable") for each in answers} == {"1.0.0"}


@shows("T-5", "T-6", "T-7")
@pytest.mark.parametrize("version", ["0.2.2", "1.0.1", "2.0.0", "", "1", "1.0.0, 1.0.0", "x" * 5_000])
def test_another_version_is_refused_untouched(tus: Tus, version: str) -> None:
    path, other = tus.created(len(AUDIO)), ("Tus-Resumable", version)
    answers = [
        tus.create(5, other),
        tus.patch(path, 0, AUDIO[:9], other),
        tus.head(path, other),
        tus.delete(path, other),
    ]
    assert {each.status for each in answers} == {412}
    assert {each["Tus-Version"] for each in answers} == {"1.0.0"}
    assert {each.get("Location") for each in answers} == {None}
    assert (tus.head(path).status, tus.head(path).offset) == (200, 0)


@shows("T-3", "T-8", "T-9", "T-10", "T-24", "T-25", "T-26")
def test_options(tus: Tus) -> None:
    path = tus.created(5)
    for target in ("/v1/uploads", path):
        for headers in ((), (VERSION,), (("Tus-Resumable", "0.2.2"),)):
            answer = tus.sender.request("OPTIONS", target, *headers)
            assert answer.status == 204
            assert answer["Tus-Version"] == "1.0.0"
            assert answer["Tus-Resumable"] == "1.0.0"
            assert set(answer["Tus-Extension"].split(",")) == {
                "creation",
                "creation-with-upload",
                "creation-defer-length",
                "termination",
                "checksum",
                "expiration",
            }
            assert int(answer["Tus-Max-Size"]) == answer.limits["max-size"] > 0


@shows("T-11", "T-12", "T-14")
def test_head(tus: Tus) -> None:
    path = tus.created(len(AUDIO))
    for at in (0, 9, len(AUDIO)):
        found = tus.head(path)
        assert (found.status, found.offset, found.length) == (200, tus.head(path).offset, len(AUDIO))
        assert found["Cache-Control"] == "no-store"
        assert tus.patch(path, found.offset, AUDIO[found.offset : at]).status == 204
    found = tus.head(path)
    assert (found.status, found.offset, found.length) == (200, len(AUDIO), len(AUDIO))


@shows("T-13")
def test_head_of_nothing(tus: Tus, callward: Callward) -> None:
    path = tus.created(len(AUDIO))
    platform = callward.call_platform(CLINIC)
    foreign = Tus(Sender(platform, consented_call(platform)))
    for answer in (foreign.head(path), tus.head("/v1/uploads/00000000-0000-7000-8000-000000000000")):
        assert (answer.status, answer.get("Upload-Offset")) == (404, None)
    tus.delete(path)
    assert (tus.head(path).status, tus.head(path).get("Upload-Offset")) == (410, None)


@shows("T-15")
def test_either_dialect_goes_on_with_an_upload_of_the_other(tus: Tus, callward: Callward) -> None:
    path = tus.sender.created(("Upload-Length", str(len(AUDIO))), body=AUDIO[:10])
    assert tus.patch(path, 10, AUDIO[10:]).status == 204
    assert heard(callward, upload_id(path)) == AUDIO
    other = tus.created(len(AUDIO), body=AUDIO[:10])
    assert tus.sender.append(other, 10, AUDIO[10:], complete=True).status == 201
    assert heard(callward, upload_id(other)) == AUDIO


@shows("T-16")
@pytest.mark.parametrize("kind", ["application/partial-upload", "audio/wav", "text/plain", "x", None])
def test_another_media_type(tus: Tus, untouched: str, kind: str | None) -> None:
    path = untouched
    answer = tus.patch(path, 0, AUDIO[:9], ("Content-Type", kind))
    assert answer.problem() == (415, "unsupported-media-type")
    assert tus.head(path).offset == 0


@shows("T-17")
def test_an_offset_ahead_or_behind(tus: Tus) -> None:
    path = tus.created(len(AUDIO), body=AUDIO[:100])
    for stated in (0, 99, 101, len(AUDIO)):
        answer = tus.patch(path, stated, AUDIO[stated : stated + 9])
        assert answer.problem() == (409, "mismatching-upload-offset")
    assert tus.head(path).offset == 100


@shows("T-18", "T-19", "T-20")
def test_what_is_taken_is_acknowledged(tus: Tus) -> None:
    path, at = tus.created(len(AUDIO)), 0
    for size in (1, 0, 65_480, 40, 1_000):
        answer = tus.patch(path, at, AUDIO[at : at + size])
        at += size
        assert (answer.status, answer.offset) == (204, at)
    assert tus.patch(path, at, AUDIO[at:]).status == 204, "the last one as well"


@shows("T-21", "T-22")
def test_what_came_before_a_break_is_kept(tus: Tus, callward: Callward) -> None:
    path = tus.created(len(AUDIO))
    for announced in (len(AUDIO), None):
        at = tus.head(path).offset
        size = None if announced is None else len(AUDIO) - at
        with tus.patching(path, at, announced=size) as wire:
            (wire.chunk if announced is None else wire.send)(AUDIO[at : at + 40_000])
        tus.sender.wait_kept(path, at + 40_000)
    at = tus.head(path).offset
    assert tus.patch(path, at, AUDIO[at:]).status == 204
    assert heard(callward, upload_id(path)) == AUDIO


@shows("T-23")
def test_the_method_is_the_one_that_was_sent(tus: Tus) -> None:
    # One header that turns a POST into a DELETE is more than a proxy's rules can see: docs/conformance says why not.
    path = tus.created(len(AUDIO))
    for method in ("DELETE", "PATCH"):
        headers: list[Header] = [VERSION, ("X-HTTP-Method-Override", method), ("Upload-Offset", "0")]
        answer = tus.sender.request("POST", path, *headers, ("Content-Type", PATCH_TYPE), body=AUDIO[:9])
        assert answer.problem() == (405, "method-not-allowed")
    assert (tus.head(path).status, tus.head(path).offset) == (200, 0)


def test_more_than_the_length(tus: Tus) -> None:
    path = tus.created(1_000, body=AUDIO[:10])
    answer = tus.patch(path, 10, AUDIO[10:1_001])
    assert answer.status in (400, 413), answer
    assert tus.sender.document(path)["offset"] <= 1_000
    assert tus.sender.state(path) != "complete"


def test_a_finished_upload_takes_nothing_more(tus: Tus, callward: Callward) -> None:
    path = tus.created(len(AUDIO), body=AUDIO)
    assert tus.sender.state(path) == "complete"
    for offset, body in ((len(AUDIO), b"more"), (0, AUDIO)):
        assert 400 <= tus.patch(path, offset, body).status < 500
    assert heard(callward, upload_id(path)) == AUDIO
