"""Digests of a request and of the whole (RFC 9530; draft: "Integrity Digests"): a wrong one leaves nothing."""

import base64
import hashlib

import pytest

from tests.e2e.uploads.looking import NothingKept, stored
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.platform import RunningPlatform
from tests.support.uploads import INTEROP, Header, Sender, heard, shows, upload_id
from tests.support.waiting import eventually

AUDIO = wav(2)


def _digest(name: str, body: bytes) -> Header:
    return name, f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"


@shows("R-60")
def test_a_wrong_digest_of_the_whole_ends_the_upload_and_its_key(
    sender: Sender, platform: RunningPlatform
) -> None:
    nothing = NothingKept(platform)
    path = sender.created(_digest("Repr-Digest", b"another body"), body=AUDIO[:90_000])
    answer = sender.append(path, 90_000, AUDIO[90_000:], complete=True)
    assert answer.problem() == (400, "digest-mismatch")
    assert sender.state(path) == "failed"
    assert sender.document(path)["reason"]
    assert sender.head(path).status == 410
    again = sender.append(path, 90_000, AUDIO[90_000:], complete=True)
    assert (again.problem(), again.json(410)["state"]) == ((410, "upload-ended"), "failed")
    nothing.demand(path)


@shows("R-46", "R-60")
def test_the_failure_says_that_the_whole_had_come(sender: Sender) -> None:
    path = sender.created(_digest("Repr-Digest", b"another body"))
    answer = sender.append(path, 0, AUDIO, complete=True)
    assert (answer.problem(), answer.complete) == ((400, "digest-mismatch"), True)


@shows("R-60")
def test_a_wrong_digest_of_the_whole_in_one_request(sender: Sender, platform: RunningPlatform) -> None:
    nothing = NothingKept(platform)
    answer = sender.create(INTEROP, _digest("Repr-Digest", b"another body"), body=AUDIO, complete=True)
    assert answer.problem() == (400, "digest-mismatch")
    nothing.demand(answer.interim[0]["Location"])


@shows("R-60")
def test_a_right_digest_of_the_whole_passes(sender: Sender, callward: Callward) -> None:
    path, at = sender.created(_digest("Repr-Digest", AUDIO)), 0
    for at in range(0, 100_000, 25_000):
        assert sender.append(path, at, AUDIO[at : at + 25_000]).status == 204
    taken = sender.append(path, 100_000, AUDIO[100_000:], complete=True).json(201)
    assert taken["state"] == "sealed"
    assert heard(callward, upload_id(path)) == AUDIO
    assert sender.create(_digest("Repr-Digest", AUDIO), body=AUDIO, complete=True).status == 201


@shows("R-60")
def test_a_digest_of_the_whole_that_comes_late_counts(sender: Sender, platform: RunningPlatform) -> None:
    right = sender.created(body=AUDIO[:10])
    answer = sender.append(right, 10, AUDIO[10:], _digest("Repr-Digest", AUDIO), complete=True)
    assert answer.status == 201
    nothing, wrong = NothingKept(platform), sender.created(body=AUDIO[:10])
    answer = sender.append(wrong, 10, AUDIO[10:], _digest("Repr-Digest", b"other"), complete=True)
    assert answer.problem() == (400, "digest-mismatch")
    assert sender.state(wrong) == "failed"
    nothing.demand(wrong)


@shows("R-60")
def test_a_digest_of_the_whole_may_not_change_on_the_way(sender: Sender) -> None:
    path = sender.created(_digest("Repr-Digest", AUDIO), body=AUDIO[:10])
    answer = sender.append(path, 10, AUDIO[10:], _digest("Repr-Digest", b"other"), complete=True)
    assert 400 <= answer.status < 500
    assert sender.state(path) != "complete"


@shows("R-63")
def test_a_wrong_digest_of_a_request_drops_its_bytes(sender: Sender, callward: Callward) -> None:
    path = sender.created(body=AUDIO[:70_000])
    for complete in (False, True):
        wrong = _digest("Content-Digest", b"another body")
        answer = sender.append(path, 70_000, AUDIO[70_000:], wrong, complete=complete)
        assert answer.problem() == (400, "digest-mismatch")
        found = sender.head(path)
        assert (found.offset, found.complete) == (70_000, False)
    right = _digest("Content-Digest", AUDIO[70_000:90_000])
    assert sender.append(path, 70_000, AUDIO[70_000:90_000], right).offset == 90_000
    rest = _digest("Content-Digest", AUDIO[90_000:])
    assert sender.append(path, 90_000, AUDIO[90_000:], rest, complete=True).status == 201
    assert heard(callward, upload_id(path)) == AUDIO


@shows("R-63")
def test_bytes_under_an_unproved_digest_are_not_acknowledged(
    sender: Sender, platform: RunningPlatform
) -> None:
    path = sender.created(body=AUDIO[:100])
    before = stored(platform)
    with sender.appending(
        path, 100, True, INTEROP, _digest("Content-Digest", AUDIO[100:]), announced=len(AUDIO) - 100
    ) as wire:
        wire.send(AUDIO[100:90_000])
    # Cut off before they could be proved, they count for nothing: the sender begins again where it was.
    assert sender.head(path).offset == 100
    eventually(lambda: stored(platform) == before, "that nothing of them is left")


@shows("R-63")
def test_a_wrong_digest_of_the_first_request(sender: Sender, platform: RunningPlatform) -> None:
    for complete in (False, True):
        nothing = NothingKept(platform)
        wrong = _digest("Content-Digest", b"another body")
        answer = sender.create(INTEROP, wrong, body=AUDIO, complete=complete)
        assert answer.problem() == (400, "digest-mismatch")
        path = answer.interim[0]["Location"]
        assert sender.document(path)["offset"] == 0
        assert sender.state(path) != "complete"
        nothing.wait_files_gone()
        # The upload itself may live on empty; whoever is done with it says so.
        if sender.head(path).status == 204:
            assert sender.cancel(path).status == 204
        nothing.demand(path)


@shows("R-61", "R-62")
def test_a_digest_that_is_wanted_is_not_given_out(sender: Sender) -> None:
    # What a recording's hash would tell is not for answers: docs/conformance says why the SHOULD is not followed.
    wanted: Header = ("Want-Repr-Digest", "sha-256=10")
    path = sender.created(wanted)
    answer = sender.append(path, 0, AUDIO, wanted, complete=True)
    assert (answer.status, answer.get("Repr-Digest")) == (201, None)
    assert sender.head(path).get("Repr-Digest") is None


@pytest.mark.parametrize("name", ["Content-Digest", "Repr-Digest"])
@pytest.mark.parametrize(
    "value",
    ["", "sha-256", "sha-256=nonsense", "sha-256=:bm90IGEgZGlnZXN0:", "sha-256=1", "md5=:AAAA:", "x" * 9_000],
)
def test_a_digest_that_is_none(sender: Sender, name: str, value: str) -> None:
    path = sender.created(body=AUDIO[:10])
    appended = sender.append(path, 10, AUDIO[10:], (name, value), complete=True)
    assert appended.problem() == (400, "invalid-request")
    found = sender.head(path)
    assert (found.offset, found.complete) == (10, False)
    created = sender.create(INTEROP, (name, value), body=AUDIO, complete=True)
    assert (created.problem(), created.interim) == ((400, "invalid-request"), ())
    assert created.get("Location") is None
