"""Headers and bodies that no decent client sends: each gets a clear refusal, and an upload under way loses nothing."""

import gzip
import uuid

import pytest

from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.uploads import Header, Sender, heard, shows, upload_id

AUDIO = wav(1)
HUGE = "1" * 9_000


@pytest.fixture(scope="module")
def used(sender: Sender) -> list[str]:
    """The upload of the tests before, if there was one."""
    return []


@pytest.fixture
def path(sender: Sender, used: list[str]) -> str:
    """An upload that has ten bytes: that of the test before, as long as it came through unharmed."""
    if not used or not _unharmed(sender, used[-1]):
        used.append(sender.created(body=AUDIO[:10]))
    return used[-1]


def _short(value: object) -> str:
    return str(value)[:60]


def _unharmed(sender: Sender, path: str) -> bool:
    found = sender.head(path)
    return (found.status, found.offset, found.complete) == (204, 10, False)


@shows("R-6", "R-7")
@pytest.mark.parametrize(("name", "value"), [("Upload-Offset", "10"), ("Upload-Complete", "?0")])
def test_a_header_twice_is_not_there(sender: Sender, path: str, name: str, value: str) -> None:
    for values in ((value, value), (value, "?1"), (value, ""), (HUGE, value)):
        answer = sender.append(path, 10, AUDIO[10:20], *[(name, each) for each in values])
        assert answer.problem() == (400, "invalid-request")
        assert _unharmed(sender, path)


@shows("R-8")
def test_a_length_twice_is_not_there(sender: Sender) -> None:
    value, path = str(len(AUDIO)), sender.created()
    for at, values in enumerate(((value, value), (value, "1"), (value, ""), (HUGE, value))):
        answer = sender.append(path, at, AUDIO[at : at + 1], *[("Upload-Length", each) for each in values])
        assert answer.status == 204
        assert sender.head(path).length is None


@pytest.mark.parametrize(
    "headers",
    [
        [("Upload-Offset", HUGE)],
        [("Upload-Offset", "-10")],
        [("Upload-Offset", "\xff")],
        [("Upload-Offset", "1 0")],
        [("Upload-Complete", HUGE)],
        [("Upload-Complete", "\xff")],
        [("Content-Type", "application/partial-upload"), ("Content-Type", "application/partial-upload")],
        [("Content-Type", HUGE)],
        [("Content-Type", "\xff/\xff")],
        [("Content-Digest", "sha-256=:AAAA:"), ("Content-Digest", "sha-256=:BBBB:")],
        [("Expect", "nonsense")],
        [("Content-Encoding", "gzip")],
        [("Content-Encoding", "identity, gzip")],
        [("Content-Encoding", "identity"), ("Content-Encoding", "br")],
        [("Content-Encoding", HUGE)],
    ],
    ids=_short,
)
def test_an_append_under_bad_headers(sender: Sender, path: str, headers: list[Header]) -> None:
    answer = sender.append(path, 10, AUDIO[10:20], *headers)
    assert answer.status in (400, 415, 417), answer
    assert answer.problem()[1] in ("invalid-request", "unsupported-media-type")
    assert _unharmed(sender, path)


@pytest.mark.parametrize(
    "lines",
    [
        [("Content-Length", "-1")],
        [("Content-Length", "ten")],
        [("Content-Length", "10"), ("Content-Length", "11")],
        [("Content-Length", "10"), ("Transfer-Encoding", "chunked")],
        [("Transfer-Encoding", "gzip")],
        [("Content-Length", "9" * 30)],
        [("Upload Offset", "10")],
        [("Upload-Offset\x00", "10")],
    ],
    ids=_short,
)
def test_a_request_that_is_not_http(sender: Sender, path: str, lines: list[Header]) -> None:
    with sender.appending(path, 10, False, *lines, announced=None) as wire:
        wire.send(b"0\r\n\r\n")
        answer = wire.one()
        assert answer.status in (400, 413, 501), answer
        assert wire.closed(), "what follows on such a connection cannot be told apart"
    assert _unharmed(sender, path)


@pytest.mark.parametrize(
    "key", ["", "a b", "x" * 256, "\xfc", HUGE], ids=["empty", "space", "long", "umlaut", "huge"]
)
def test_an_idempotency_key_that_is_none(sender: Sender, key: str) -> None:
    answer = sender.create(("Idempotency-Key", key), body=AUDIO[:10])
    assert answer.problem() == (400, "invalid-request")
    assert answer.get("Location") is None


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "x-unknown", "gzip, gzip"])
def test_a_compressed_body_is_not_taken(sender: Sender, path: str, coding: str) -> None:
    body = gzip.compress(AUDIO)
    created = sender.create(("Content-Encoding", coding), body=body, complete=True)
    assert (created.problem(), created.get("Location")) == ((415, "unsupported-media-type"), None)
    appended = sender.append(path, 10, body, ("Content-Encoding", coding))
    assert appended.problem() == (415, "unsupported-media-type")
    assert "coding" in appended.json(415)["detail"]
    assert _unharmed(sender, path)


def test_a_form_is_refused_with_the_reason(sender: Sender, path: str) -> None:
    form: Header = ("Content-Type", "multipart/form-data; boundary=x")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.wav"\r\n\r\n'
        + AUDIO
        + b"\r\n--x--\r\n"
    )
    created = sender.create(form, body=body, complete=True)
    appended = sender.append(path, 10, body, form, complete=True)
    for answer, reason in ((created, "Multipart"), (appended, "application/partial-upload")):
        assert answer.problem() == (415, "unsupported-media-type")
        assert reason in answer.json(415)["detail"]
    assert _unharmed(sender, path)


def test_methods_and_addresses_that_are_none(sender: Sender, path: str) -> None:
    for method in ("PUT", "POST"):
        answer = sender.request(method, path, ("Upload-Complete", "?1"), body=AUDIO)
        assert answer.problem() == (405, "method-not-allowed")
        # It names methods of one route of the address alone, not of all.
        assert {"PATCH", "HEAD", "DELETE"} & {each.strip() for each in answer["Allow"].split(",")}
    for name in (str(uuid.uuid4()), "x", "..%2f..%2fx", "0" * 500, "%00", upload_id(path)[:-1]):
        other = f"/v1/uploads/{name}"
        assert sender.head(other).status in (400, 404)
        assert sender.append(other, 10, AUDIO[10:20]).problem()[0] in (400, 404)
        assert sender.cancel(other).problem()[0] in (400, 404)
    assert _unharmed(sender, path)


def test_no_answer_shows_what_was_sent(sender: Sender, path: str) -> None:
    secret = "Quillfeather4711"
    for name in ("Upload-Offset", "Upload-Complete", "Content-Type", "Content-Digest", "Content-Encoding"):
        answer = sender.append(path, 10, secret.encode(), (name, secret))
        assert answer.status in (400, 415)
        assert secret not in answer.body.decode() + str(answer.headers)


def test_the_upload_is_still_whole_after_all_that(sender: Sender, path: str, callward: Callward) -> None:
    for headers in ([("Upload-Offset", "-1")], [("Content-Encoding", "gzip")], [("Content-Type", None)]):
        sender.append(path, 10, AUDIO[10:20], *headers)
    assert sender.append(path, 10, AUDIO[10:], complete=True).status == 201
    assert heard(callward, upload_id(path)) == AUDIO
