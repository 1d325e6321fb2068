"""Two appends at once: the new one wins, and no byte is lost or doubled, whatever the timing."""

import random
import threading
from contextlib import suppress

import pytest

from tests.support.audio import wav
from tests.support.doors import Callward
from tests.support.uploads import EXPECT, Answer, HungUp, Sender, Wire, heard, shows, upload_id

AUDIO = wav(3)


class Older(threading.Thread):
    """An append that is slow: it sends pieces of any size, and keeps its last byte until it is let go."""

    def __init__(self, sender: Sender, path: str, chance: random.Random) -> None:
        super().__init__(daemon=True)
        self._sender, self._path, self._chance = sender, path, chance
        self._enough, self.released = threading.Event(), threading.Event()
        self._until = chance.randrange(1, 12)
        self.answer: Answer | None = None

    def run(self) -> None:
        """Sends until the door ends it or everything but the last byte is sent."""
        with (
            suppress(ConnectionError),  # ended by the door: what it should be
            self._sender.appending(self._path, 0, True, EXPECT, announced=len(AUDIO)) as wire,
        ):
            self._send(wire)
        self._enough.set()

    def _send(self, wire: Wire) -> None:
        wire.go_ahead()
        at, last, pieces = 0, len(AUDIO) - 1, 0
        while at < last:
            size = self._chance.choice((1, 7, 4_096, 65_480, 65_520, 100_000))
            wire.send(AUDIO[at : min(at + size, last)])
            at, pieces = min(at + size, last), pieces + 1
            if pieces >= self._until:
                self._enough.set()
        self._enough.set()
        assert self.released.wait(30)
        wire.send(AUDIO[last:])
        self.answer = wire.answer()

    def wait(self) -> None:
        """Returns once some pieces are sent."""
        assert self._enough.wait(30)


def _finish(sender: Sender, path: str, at: int) -> Answer:
    """Appends the rest, at the offset that the door names where it knows another."""
    for _ in range(20):
        answer = sender.append(path, at, AUDIO[at:], complete=True)
        if answer.status != 409:
            return answer
        at = answer.offset
    raise AssertionError("the offset never settled")


@shows("R-54", "R-56", "R-57")
@pytest.mark.parametrize("seeds", [range(5), range(5, 10)], ids=str)
def test_the_new_one_wins(sender: Sender, callward: Callward, seeds: range) -> None:
    for seed in seeds:
        path, chance = sender.created(), random.Random(seed)
        older = Older(sender, path, chance)
        older.start()
        older.wait()
        # Nothing is known yet of what the older one brought: the door says so, and the second attempt holds.
        answer = _finish(sender, path, 0)
        assert answer.json(201)["state"] == "sealed", (seed, answer)
        older.released.set()
        older.join(30)
        assert older.answer is None or older.answer.status >= 400, (seed, older.answer)
        assert heard(callward, upload_id(path)) == AUDIO, seed


@shows("R-54")
def test_the_same_append_twice_at_the_same_moment(sender: Sender, callward: Callward) -> None:
    for _ in range(4):
        path, answers, together = sender.created(), list[Answer](), threading.Barrier(3)

        def send(
            path: str = path, together: threading.Barrier = together, answers: list[Answer] = answers
        ) -> None:
            together.wait(30)
            with suppress(HungUp):
                answers.append(sender.append(path, 0, AUDIO, complete=True))

        threads = [threading.Thread(target=send, daemon=True) for _ in range(3)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        statuses = [answer.status for answer in answers]
        assert statuses, "the newest is answered"
        assert statuses.count(201) <= 1, statuses
        found = sender.head(path)
        if not found.complete:
            assert _finish(sender, path, found.offset).status == 201
        assert heard(callward, upload_id(path)) == AUDIO


@shows("R-54")
def test_appends_that_disagree_are_not_mixed(sender: Sender, callward: Callward) -> None:
    # Who does not heed that one transfer is allowed at a time may lose a race, but never gets a mixture.
    other = AUDIO[:44] + bytes(reversed(AUDIO[44:]))
    for end in (1_000, 65_524, 130_000, len(AUDIO)):
        path = sender.created(body=AUDIO[:44])
        bodies = [AUDIO[44:end], other[44 : end - 500]]
        threads = [threading.Thread(target=_quiet, args=(sender, path, body), daemon=True) for body in bodies]
        for each in threads:
            each.start()
        for each in threads:
            each.join(30)
        found = sender.head(path).offset
        assert found <= end
        assert sender.append(path, found, AUDIO[found:], complete=True).status == 201
        whole = heard(callward, upload_id(path))
        assert whole[:found] in (AUDIO[:found], other[:found]), "the bytes of one of them, and of one only"
        assert whole[found:] == AUDIO[found:]


def _quiet(sender: Sender, path: str, body: bytes) -> None:
    with suppress(HungUp):
        sender.append(path, 44, body)
