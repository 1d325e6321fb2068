"""tus 1.0: creation, deferred length, expiration, checksums and termination."""

import base64
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime

import pytest

from callward_common.clock import SystemClock
from tests.e2e.uploads.looking import NothingKept
from tests.e2e.uploads.tus import Tus, checksum, encoded
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.platform import RunningPlatform
from tests.support.uploads import Answer, Sender, heard, shows, upload_id

AUDIO = wav(2)


@pytest.fixture
def tus(sender: Sender) -> Tus:
    return Tus(sender)


def _extensions(tus: Tus) -> set[str]:
    return set(tus.sender.request("OPTIONS", "/v1/uploads")["Tus-Extension"].split(","))


@shows("T-27", "T-28", "T-29")
def test_creation(tus: Tus) -> None:
    assert "creation" in _extensions(tus)
    answer = tus.create(len(AUDIO))
    assert answer.status == 201
    assert answer["Location"].startswith("/v1/uploads/")
    found = tus.head(answer["Location"])
    assert (found.offset, found.length) == (0, len(AUDIO))


@shows("T-30")
def test_a_length_is_demanded(tus: Tus) -> None:
    assert tus.create(1, ("Upload-Length", None)).problem() == (400, "invalid-request")
    assert tus.create(1, ("Upload-Defer-Length", "1")).problem() == (400, "invalid-request"), "both"


@shows("T-31")
@pytest.mark.parametrize("value", ["0", "2", "true", "", "-1", "1 1"])
def test_a_deferral_that_is_none(tus: Tus, value: str) -> None:
    assert tus.create(None, ("Upload-Defer-Length", value)).problem() == (400, "invalid-request")


@shows("T-32", "T-33", "T-34")
def test_a_deferred_length(tus: Tus, callward: Callward) -> None:
    assert "creation-defer-length" in _extensions(tus)
    path = tus.created(None)
    assert (tus.head(path)["Upload-Defer-Length"], tus.head(path).length) == ("1", None)
    assert tus.patch(path, 0, AUDIO[:9]).status == 204
    assert tus.head(path)["Upload-Defer-Length"] == "1"
    size = ("Upload-Length", str(len(AUDIO)))
    assert tus.patch(path, 9, AUDIO[9:18], size).status == 204
    found = tus.head(path)
    assert (found.get("Upload-Defer-Length"), found.length, found.offset) == (None, len(AUDIO), 18)
    other = tus.patch(path, 18, AUDIO[18:20], ("Upload-Length", str(len(AUDIO) + 1)))
    assert other.status == 400
    assert tus.head(path).length == len(AUDIO)
    assert tus.patch(path, 18, AUDIO[18:], size).status == 204
    assert heard(callward, upload_id(path)) == AUDIO


@shows("T-34")
def test_a_deferred_length_that_comes_last(tus: Tus, callward: Callward) -> None:
    path = tus.created(None, body=AUDIO)
    assert tus.sender.state(path) == "receiving"
    assert tus.patch(path, len(AUDIO), b"", ("Upload-Length", str(len(AUDIO)))).status == 204
    assert tus.sender.state(path) == "complete"
    assert heard(callward, upload_id(path)) == AUDIO


@shows("T-35")
def test_metadata_that_is_none(tus: Tus) -> None:
    call, kind = encoded(tus.sender.call_id), encoded("audio/wav")
    for value in (
        "",
        ",",
        f"call  {call}",
        f"call {call},call {call},filetype {kind}",
        f"call not-base64!,filetype {kind}",
        f"call {tus.sender.call_id},filetype {kind}",
        f"filetype {kind}",
        f"call,filetype {kind}",
        f"call {call} more,filetype {kind}",
        f"call {call},filetype {base64.b64encode(bytes([255, 254])).decode()}",
        f"call {call},filetype {kind},note {'A' * 20_000}",
    ):
        answer = tus.create(len(AUDIO), ("Upload-Metadata", value))
        assert answer.status in (400, 415), (value[:80], answer)
        assert answer.problem()[1] in ("invalid-request", "unsupported-media-type")
        assert answer.get("Location") is None
    assert tus.create(5, ("Upload-Metadata", None)).problem() == (400, "invalid-request")
    other = f"call {call},filetype {encoded('text/html')}"
    assert tus.create(5, ("Upload-Metadata", other)).problem() == (415, "unsupported-media-type")


@shows("T-36")
def test_metadata_is_not_given_back(tus: Tus) -> None:
    # A file's name is often a patient's: it is not kept, so that there is nothing to give back.
    value = f"{tus.metadata()},filename {encoded('Rosalind Quillfeather.wav')},is_private"
    found = tus.head(tus.created(len(AUDIO), ("Upload-Metadata", value)))
    assert found.status == 200
    assert encoded("Rosalind Quillfeather.wav") not in (found.get("Upload-Metadata") or "")


@shows("T-37")
def test_too_large(tus: Tus) -> None:
    largest = int(tus.sender.request("OPTIONS", "/v1/uploads")["Tus-Max-Size"])
    answer = tus.create(largest + 1)
    assert (answer.problem(), answer.get("Location")) == ((413, "body-too-large"), None)
    deferred = tus.created(None)
    assert tus.patch(deferred, 0, b"", ("Upload-Length", str(largest + 1))).problem()[0] == 413
    assert tus.create(largest).status == 201


@shows("T-38", "T-39", "T-40")
def test_creation_with_the_first_bytes(tus: Tus, callward: Callward) -> None:
    assert "creation-with-upload" in _extensions(tus)
    answer = tus.create(len(AUDIO), body=AUDIO[:70_000])
    assert (answer.status, answer.offset) == (201, 70_000)
    path = answer["Location"]
    assert tus.patch(path, 70_000, AUDIO[70_000:]).offset == len(AUDIO)
    assert heard(callward, upload_id(path)) == AUDIO
    whole = tus.create(len(AUDIO), body=AUDIO)
    assert (whole.status, whole.offset) == (201, len(AUDIO))
    assert tus.sender.state(whole["Location"]) == "complete", (
        "Location names the upload for whoever asks HEAD"
    )
    other = tus.create(len(AUDIO), ("Content-Type", "audio/wav"), body=AUDIO)
    assert other.problem() == (415, "unsupported-media-type")


def test_an_empty_upload_completes_at_once(tus: Tus) -> None:
    path = tus.created(0)
    assert tus.sender.state(path) == "complete"
    found = tus.head(path)
    assert (found.status, found.offset, found.length) == (200, 0, 0)
    shown = tus.sender.client.get(f"/v1/recordings/{upload_id(path)}").json()
    assert (shown["state"], shown["reasons"]) == ("quarantined", ["empty"])


def _expires(answer: Answer) -> bool:
    moment = parsedate_to_datetime(answer["Upload-Expires"])
    left = moment.astimezone(UTC) - SystemClock().now()
    return answer["Upload-Expires"].endswith(" GMT") and timedelta(0) < left < timedelta(days=60)


@shows("T-41", "T-42", "T-43", "T-45")
def test_expiration_is_told(tus: Tus) -> None:
    assert "expiration" in _extensions(tus)
    answer = tus.create(len(AUDIO))
    assert _expires(answer)
    assert _expires(tus.patch(answer["Location"], 0, AUDIO[:9]))


@shows("T-46", "T-47", "T-50", "T-51")
def test_checksums(tus: Tus, callward: Callward) -> None:
    assert "checksum" in _extensions(tus)
    named = tus.sender.request("OPTIONS", "/v1/uploads")["Tus-Checksum-Algorithm"].split(",")
    assert set(named) == {"sha1", "sha256"}
    assert all(each == each.lower() and each.isascii() for each in named)
    path, at = tus.created(len(AUDIO)), 0
    for algorithm in named:
        piece = AUDIO[at : at + 50_000]
        answer = tus.patch(path, at, piece, checksum(piece, algorithm))
        at += len(piece)
        assert (answer.status, answer.offset) == (204, at)
    assert tus.patch(path, at, AUDIO[at:], checksum(AUDIO[at:])).status == 204
    assert heard(callward, upload_id(path)) == AUDIO


@shows("T-48", "T-49")
@pytest.mark.parametrize("algorithm", ["sha1", "sha256"])
def test_a_wrong_checksum_drops_its_bytes(tus: Tus, callward: Callward, algorithm: str) -> None:
    path = tus.created(len(AUDIO), body=AUDIO[:10])
    for size in (9, len(AUDIO) - 10):
        answer = tus.patch(path, 10, AUDIO[10 : 10 + size], checksum(b"other", algorithm))
        assert answer.status == 460
        assert tus.head(path).offset == 10
        assert tus.sender.state(path) == "receiving"
    assert tus.patch(path, 10, AUDIO[10:], checksum(AUDIO[10:], algorithm)).status == 204
    assert heard(callward, upload_id(path)) == AUDIO


@shows("T-48", "T-49")
def test_a_checksum_that_is_none(tus: Tus) -> None:
    path = tus.created(len(AUDIO), body=AUDIO[:10])
    for value in (
        "",
        "md5 AAAA",
        "crc32 AAAA",
        "sha1",
        "sha1 ",
        "sha1 !!!",
        "sha1 AAAA",
        "SHA1 AAAA",
        "x" * 9_000,
    ):
        answer = tus.patch(path, 10, AUDIO[10:20], ("Upload-Checksum", value))
        assert answer.problem() == (400, "invalid-request"), value[:20]
    twice = [checksum(AUDIO[10:20]), checksum(AUDIO[10:20])]
    assert tus.patch(path, 10, AUDIO[10:20], *twice).problem() == (400, "invalid-request")
    assert tus.head(path).offset == 10


@shows("T-49")
def test_bytes_under_an_unproved_checksum_are_not_acknowledged(tus: Tus) -> None:
    path = tus.created(len(AUDIO), body=AUDIO[:10])
    with tus.patching(path, 10, checksum(AUDIO[10:]), announced=len(AUDIO) - 10) as wire:
        wire.send(AUDIO[10:90_000])
    assert tus.head(path).offset == 10


@shows("T-52", "T-53", "T-54")
def test_termination(tus: Tus, platform: RunningPlatform) -> None:
    assert "termination" in _extensions(tus)
    nothing = NothingKept(platform)
    path = tus.created(len(AUDIO), body=AUDIO[:70_000])
    assert tus.delete(path).status == 204
    assert tus.head(path).status == 410
    answer = tus.patch(path, 70_000, AUDIO[70_000:])
    assert (answer.problem(), answer.get("Upload-Offset")) == ((410, "upload-ended"), None)
    nothing.demand(path)


@shows("T-55")
def test_what_is_sealed_is_not_terminated(tus: Tus, callward: Callward) -> None:
    path = tus.created(len(AUDIO), body=AUDIO)
    assert 400 <= tus.delete(path).status < 500
    assert heard(callward, upload_id(path)) == AUDIO


def test_partial_uploads_are_not_known(tus: Tus) -> None:
    assert "concatenation" not in _extensions(tus)
    answer = tus.create(len(AUDIO), ("Upload-Concat", "partial"))
    assert answer.problem() == (400, "invalid-request")
    final = tus.create(1, ("Upload-Concat", "final;/v1/uploads/a /v1/uploads/b"), ("Upload-Length", None))
    assert final.problem() == (400, "invalid-request")
    assert tus.create(len(AUDIO), body=AUDIO[:9]).status == 201
