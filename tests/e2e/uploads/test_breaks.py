"""A connection that breaks at every boundary of a sealed segment, and one byte to each side of it."""

import pytest

from tests.support.audio import FIRST_SEGMENT, SEGMENT, wav
from tests.support.doors import Callward
from tests.support.uploads import EXPECT, INTEROP, Sender, heard, upload_id

AUDIO = wav(3)
#: Where a segment of the first stream ends; an append begins a stream of its own, whose segments end elsewhere.
ENDS = [FIRST_SEGMENT + number * SEGMENT for number in range(2)]
PLACES = [0, 1, *(end + side for end in ENDS for side in (-1, 0, 1)), len(AUDIO) - 1, len(AUDIO)]


def _break_at(sender: Sender, path: str, at: int, sent: int, *, chunked: bool) -> None:
    """Begins to append everything that is left, and breaks off after some bytes."""
    announced = None if chunked else len(AUDIO) - at + 1
    with sender.appending(path, at, False, EXPECT, announced=announced) as wire:
        wire.go_ahead()
        for piece in (AUDIO[at : at + sent // 2], AUDIO[at + sent // 2 : at + sent]):
            if piece:
                (wire.chunk if chunked else wire.send)(piece)


@pytest.mark.parametrize(
    ("chunked", "places"), [(False, PLACES), (True, PLACES[2:5])], ids=["content-length", "chunked"]
)
def test_a_break_in_the_first_stream(
    sender: Sender, callward: Callward, chunked: bool, places: list[int]
) -> None:
    for place in places:
        path = sender.created()
        _break_at(sender, path, 0, place, chunked=chunked)
        sender.wait_kept(path, place)
        assert sender.head(path).offset == place
        answer = sender.append(path, place, AUDIO[place:], complete=True)
        assert answer.json(201)["state"] == "sealed", place
        assert heard(callward, upload_id(path)) == AUDIO, place


def test_breaks_in_every_stream_of_an_upload(sender: Sender, callward: Callward) -> None:
    for side in (-1, 0, 1):
        path, at = sender.created(body=AUDIO[: 1 + side]), 1 + side
        for sent in (FIRST_SEGMENT + side, 1, FIRST_SEGMENT + SEGMENT + side):
            _break_at(sender, path, at, min(sent, len(AUDIO) - at), chunked=False)
            at = min(at + sent, len(AUDIO))
            sender.wait_kept(path, at)
        assert sender.append(path, at, AUDIO[at:], complete=True).json(201)["state"] == "sealed"
        assert heard(callward, upload_id(path)) == AUDIO, side


def test_a_machine_that_fails_at_a_boundary(sender: Sender, callward: Callward) -> None:
    for place in PLACES[2:6]:
        path = sender.created()
        wire = sender.appending(path, 0, False, EXPECT, announced=len(AUDIO) + 1)
        wire.go_ahead()
        wire.send(AUDIO[:place])
        wire.reset()
        at = sender.head(path).offset
        assert at <= place
        assert sender.append(path, at, AUDIO[at:], complete=True).json(201)["state"] == "sealed", place
        assert heard(callward, upload_id(path)) == AUDIO, place


def test_a_break_while_an_upload_is_created(sender: Sender, callward: Callward) -> None:
    for place in PLACES[1:4]:
        with sender.creation(True, INTEROP, announced=len(AUDIO)) as wire:
            path = wire.one()["Location"]
            wire.send(AUDIO[:place])
        sender.wait_kept(path, place)
        assert sender.append(path, place, AUDIO[place:], complete=True).json(201)["state"] == "sealed"
        assert heard(callward, upload_id(path)) == AUDIO, place


def test_the_parts_of_an_upload_may_be_as_short_as_a_byte(sender: Sender, callward: Callward) -> None:
    path = sender.created()
    for at in range(12):
        assert sender.append(path, at, AUDIO[at : at + 1]).offset == at + 1
    assert sender.append(path, 12, AUDIO[12:], complete=True).json(201)["state"] == "sealed"
    assert heard(callward, upload_id(path)) == AUDIO
    assert sender.document(path)["parts"] >= 2
