"""The upload resource and its state: offset, completeness, length, limits (draft: "Upload Resource")."""

import pytest

from tests.e2e.uploads.looking import key_state
from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.platform import RunningPlatform
from tests.support.uploads import Answer, Sender, heard, shows, upload_id

AUDIO = wav(1)
#: Values that are no non-negative Integer of a structured field.
NO_INTEGERS = (
    "",
    "-1",
    "abc",
    "1.0",
    '"0"',
    "?0",
    "0 0",
    "0x0",
    "1e3",
    "0,",
    ":AA==:",
    "0;",
    "0 ;",
    "9" * 16,
    "+0",
)
#: Values that are no Boolean of a structured field.
NO_BOOLEANS = ("", "1", "0", "true", "?2", "?T", "?", '"?1"', "(?1)", "?1 ?0", "?1,", "?1, ?1")


@pytest.fixture(scope="module")
def path(sender: Sender) -> str:
    """An upload that has ten bytes, and that no test adds to."""
    return sender.created(body=AUDIO[:10])


@shows("R-1")
def test_a_complete_upload_stays_to_be_asked_about(sender: Sender) -> None:
    path = sender.created()
    assert sender.append(path, 0, AUDIO, complete=True).status == 201
    found = sender.head(path)
    assert (found.status, found.complete, found.offset, found.length) == (204, True, len(AUDIO), len(AUDIO))
    document = sender.document(path)
    assert (document["state"], document["recordingId"]) == ("complete", upload_id(path))


@shows("R-2", "R-3")
def test_no_two_uploads_share_an_address(sender: Sender) -> None:
    paths = [sender.created() for _ in range(6)]
    for path in paths[:3]:
        sender.cancel(path)
    paths += [sender.created() for _ in range(6)]
    assert len(set(paths)) == 12


@shows("R-4")
def test_the_offset_never_goes_back(sender: Sender) -> None:
    path, seen = sender.created(body=AUDIO[:100]), [100]
    for offset, size in ((100, 5_000), (90, 5_000), (5_100, 1), (0, 10), (5_101, 0), (9_999, 10)):
        sender.append(path, offset, AUDIO[offset : offset + size])
        seen.append(sender.head(path).offset)
    with sender.appending(path, seen[-1], complete=True, announced=len(AUDIO) - seen[-1]) as wire:
        wire.send(AUDIO[seen[-1] : seen[-1] + 7])
    seen.append(sender.head(path).offset)
    assert seen == sorted(seen)


@shows("R-5")
def test_an_upload_that_lost_a_part_takes_nothing_more(sender: Sender, platform: RunningPlatform) -> None:
    before = set(platform.objects.rglob("*"))
    path = sender.created(body=AUDIO[:9_000])
    lost = [each for each in set(platform.objects.rglob("*")) - before if each.is_file()]
    assert lost
    for each in lost:
        each.unlink()
    answer = sender.append(path, 9_000, AUDIO[9_000:], complete=True)
    assert answer.status >= 400, answer
    assert sender.state(path) == "failed"
    assert sender.append(path, 9_000, AUDIO[9_000:], complete=True).problem() == (410, "upload-ended")
    assert key_state(platform, upload_id(path)) != "sealed"


@shows("R-6")
@pytest.mark.parametrize("value", NO_INTEGERS)
def test_an_offset_that_is_none_is_not_there(sender: Sender, path: str, value: str) -> None:
    bad = sender.append(path, 0, AUDIO[10:20], ("Upload-Offset", value))
    missing = sender.append(path, 0, AUDIO[10:20], ("Upload-Offset", None))
    assert bad.problem() == missing.problem() == (400, "invalid-request")
    assert sender.head(path).offset == 10


@shows("R-7")
@pytest.mark.parametrize("value", NO_BOOLEANS)
def test_a_completeness_that_is_none_is_not_there(sender: Sender, path: str, value: str) -> None:
    for bad in (value, None):
        answer = sender.append(path, 10, AUDIO[10:20], ("Upload-Complete", bad))
        assert answer.problem() == (400, "invalid-request")
        created = sender.create(("Upload-Complete", bad), body=AUDIO[:10])
        assert (created.problem(), created.get("Location")) == ((400, "invalid-request"), None)
    assert (sender.head(path).offset, sender.head(path).complete) == (10, False)


@shows("R-8")
@pytest.mark.parametrize("value", NO_INTEGERS)
def test_a_length_that_is_none_is_not_there(sender: Sender, value: str) -> None:
    path = sender.created(("Upload-Length", value), body=AUDIO[:10])
    assert sender.head(path).length is None
    assert sender.append(path, 10, AUDIO[10:20], ("Upload-Length", value)).status == 204
    assert sender.head(path).length is None


def test_what_a_structured_field_may_carry_is_taken(sender: Sender) -> None:
    path = sender.created(("Upload-Length", f"{len(AUDIO)};unit=bytes"))
    for offset, (stated, complete) in enumerate([("0000", "?0"), ("1;a", "?0;b=1"), (" 2 ", " ?0 ")]):
        answer = sender.append(
            path, 0, AUDIO[offset : offset + 1], ("Upload-Offset", stated), ("Upload-Complete", complete)
        )
        assert answer.status == 204, answer
    assert (sender.head(path).offset, sender.head(path).length) == (3, len(AUDIO))


@shows("R-9")
def test_two_lengths_of_one_request_agree(sender: Sender) -> None:
    for stated in (len(AUDIO) - 1, len(AUDIO) + 1, 0):
        answer = sender.create(("Upload-Length", str(stated)), body=AUDIO, complete=True)
        assert answer.problem() == (400, "inconsistent-upload-length")
        assert answer["X-Request-Id"]
    path = sender.created(body=AUDIO[:10])
    answer = sender.append(path, 10, AUDIO[10:], ("Upload-Length", str(len(AUDIO) + 1)), complete=True)
    assert answer.problem() == (400, "inconsistent-upload-length")
    assert sender.state(path) != "complete"


@shows("R-10")
def test_lengths_of_several_requests_agree(sender: Sender, callward: Callward) -> None:
    path = sender.created(("Upload-Length", str(len(AUDIO))))
    other = ("Upload-Length", str(len(AUDIO) + 1))
    assert sender.append(path, 0, AUDIO[:10], other).problem() == (400, "inconsistent-upload-length")
    short = sender.append(path, 0, AUDIO[:10], complete=True)
    assert short.problem() == (400, "inconsistent-upload-length")
    found = sender.head(path)
    assert (found.offset, found.complete, found.length) == (0, False, len(AUDIO))
    same = ("Upload-Length", str(len(AUDIO)))
    assert sender.append(path, 0, AUDIO, same, complete=True).status == 201
    assert heard(callward, upload_id(path)) == AUDIO


def _limits(sender: Sender) -> list[Answer]:
    """Answers about one upload in their order, after that to OPTIONS."""
    options = sender.request("OPTIONS", "/v1/uploads")
    creation = sender.create(body=AUDIO[:10])
    path = creation["Location"]
    return [options, creation, *(sender.head(path) for _ in range(2)), sender.request("OPTIONS", path)]


@shows("R-11", "R-12", "R-13", "R-18")
def test_limits_are_stated_and_do_not_tighten(sender: Sender) -> None:
    stated = [answer.limits for answer in _limits(sender)]
    for limits in stated:
        assert 0 < limits["max-size"] < 10**15
        assert limits.get("min-size", 0) == 0
    for name in ("max-size", "max-append-size"):
        assert len({limits.get(name) for limits in stated}) == 1, name
    assert len({limits.get("min-append-size") for limits in stated}) == 1
    # What is left of an upload's life shrinks by the time that has passed, and by no more.
    ages = [limits["max-age"] for limits in stated[1:4]]
    assert max(ages) - min(ages) <= 30
    assert min(ages) > 3_600


@shows("R-14", "R-16", "R-17")
def test_options_says_what_is_taken(sender: Sender) -> None:
    path = sender.created()
    for target in (f"/v1/uploads?call={sender.call_id}", "/v1/uploads", path):
        answer = sender.request("OPTIONS", target)
        assert answer.status in (200, 204), answer
        assert "application/partial-upload" in [each.strip() for each in answer["Accept-Patch"].split(",")]
        assert answer.limits["max-size"] > 0
    assert sender.request("OPTIONS", "/v1/calls").get("Accept-Patch") is None


@shows("R-19")
def test_too_large_is_refused_with_the_limits(sender: Sender) -> None:
    largest = sender.request("OPTIONS", "/v1/uploads").limits["max-size"]
    for stated in (largest + 1, 999_999_999_999_999):
        answer = sender.create(("Upload-Length", str(stated)))
        assert answer.problem() == (413, "body-too-large")
        assert answer.limits["max-size"] == largest
        assert answer.get("Location") is None
    path = sender.created(("Upload-Length", str(largest)))
    with sender.creation(True, announced=largest + 1) as wire:
        answer = wire.answer()
        assert (answer.problem(), answer.limits["max-size"]) == ((413, "body-too-large"), largest)
    deferred = sender.created()
    answer = sender.append(deferred, 0, b"", ("Upload-Length", str(largest + 1)))
    assert (answer.problem(), answer.limits["max-size"]) == ((413, "body-too-large"), largest)
    for each in (path, deferred):
        sender.cancel(each)
