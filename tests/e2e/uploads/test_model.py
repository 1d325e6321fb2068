"""Any sequence of what one sender may do, against a model of it: what was acknowledged never shrinks or changes."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.audio import FIRST_SEGMENT, SEGMENT, wav
from tests.support.doors import Callward
from tests.support.uploads import EXPECT, INTEROP, HungUp, Sender, heard, upload_id

AUDIO = wav(3)
#: Few and small, or as long as segments and a byte to each side of them.
SIZES = st.one_of(
    st.integers(0, 3_000),
    st.sampled_from([base + side for base in (FIRST_SEGMENT, SEGMENT, 100_000) for side in (-1, 0, 1)]),
)


class OneSender(RuleBasedStateMachine):
    """Knows what the door said last (`acknowledged`) and the most that it may have by now (`sent`)."""

    sender: Sender
    callward: Callward

    def __init__(self) -> None:
        super().__init__()
        self.path, self.acknowledged, self.sent, self.ended = "", 0, 0, ""

    @initialize(size=SIZES)
    def create(self, size: int) -> None:
        self.path = self.sender.created(body=AUDIO[:size])
        self.acknowledged = self.sent = size

    def _learn(self, offset: int) -> None:
        assert self.acknowledged <= offset <= self.sent
        self.acknowledged = self.sent = offset

    def _body(self, size: int) -> bytes:
        return AUDIO[self.acknowledged : self.acknowledged + size]

    def _known(self) -> None:
        """Asks, as a sender does whose request broke off."""
        if self.acknowledged != self.sent:
            self._learn(self.sender.head(self.path).offset)

    @precondition(lambda self: not self.ended)
    @rule()
    def ask(self) -> None:
        found = self.sender.head(self.path)
        assert (found.status, found.complete) == (204, False)
        self._learn(found.offset)

    @precondition(lambda self: not self.ended)
    @rule(size=SIZES)
    def append(self, size: int) -> None:
        self._known()
        body = self._body(size)
        answer = self.sender.append(self.path, self.acknowledged, body)
        assert (answer.status, answer.complete) == (204, False)
        self.sent += len(body)
        self._learn(answer.offset)
        assert self.acknowledged == self.sent

    @precondition(lambda self: not self.ended)
    @rule(size=SIZES, more=st.integers(1, 100_000), chunked=st.booleans(), reset=st.booleans())
    def break_off(self, size: int, more: int, chunked: bool, reset: bool) -> None:
        self._known()
        body = self._body(size)
        announced = None if chunked else len(body) + more
        wire = self.sender.appending(self.path, self.acknowledged, False, INTEROP, announced=announced)
        if body:
            (wire.chunk if chunked else wire.send)(body)
        wire.reset() if reset else wire.socket.close()
        self.sent += len(body)

    @precondition(lambda self: not self.ended)
    @rule(ahead=st.integers(1, 10**15 - 2_000_000) | st.integers(1, 3), complete=st.booleans())
    def append_ahead(self, ahead: int, complete: bool) -> None:
        stated = self.sent + ahead
        answer = self.sender.append(self.path, stated, b"never taken", complete=complete)
        assert answer.problem() == (409, "mismatching-upload-offset")
        self._learn(answer.offset)

    @precondition(lambda self: not self.ended and self.acknowledged > 0)
    @rule(behind=st.integers(1, 100_000), complete=st.booleans())
    def append_behind(self, behind: int, complete: bool) -> None:
        stated = max(0, self.acknowledged - behind)
        answer = self.sender.append(self.path, stated, b"never taken", complete=complete)
        assert answer.problem() == (409, "mismatching-upload-offset")
        self._learn(answer.offset)

    @precondition(lambda self: not self.ended)
    @rule(overtakes=st.booleans())
    def complete(self, overtakes: bool) -> None:
        self._known()
        at = self.acknowledged
        with self.sender.appending(self.path, at, False, EXPECT, announced=1_000_000) as older:
            older.go_ahead()
            if overtakes:
                older.send(self._body(5_000))
                self.sent += len(self._body(5_000))
                self._learn(self.sender.head(self.path).offset)
            rest = AUDIO[self.acknowledged :]
            answer = self.sender.append(self.path, self.acknowledged, rest, complete=True)
        assert answer.json(201)["state"] == "sealed"
        self.ended = "complete"
        assert heard(self.callward, upload_id(self.path)) == AUDIO

    @precondition(lambda self: not self.ended)
    @rule()
    def cancel(self) -> None:
        assert self.sender.cancel(self.path).status == 204
        self.ended = "cancelled"

    @precondition(lambda self: bool(self.ended))
    @rule(body=st.sampled_from([b"", b"more"]), complete=st.booleans())
    def append_after_the_end(self, body: bytes, complete: bool) -> None:
        try:
            answer = self.sender.append(self.path, len(AUDIO), body, complete=complete)
        except HungUp:
            raise AssertionError("an upload that has ended is answered") from None
        expected = (410, "upload-ended")
        if self.ended == "complete":
            expected = (400, "inconsistent-upload-length" if body else "completed-upload")
        assert answer.problem() == expected

    @invariant()
    def the_document_agrees(self) -> None:
        if not self.path:
            return
        document = self.sender.document(self.path)
        assert document["state"] == (self.ended or "receiving")
        if not self.ended:
            assert self.acknowledged <= document["offset"] <= self.sent
        elif self.ended == "complete":
            assert document["offset"] == document["length"] == len(AUDIO)

    def teardown(self) -> None:
        """A sequence that ended neither way is completed, so that what came is heard."""
        if self.path and not self.ended:
            self.complete(overtakes=False)


def test_any_sequence(callward: Callward, sender: Sender) -> None:
    OneSender.sender, OneSender.callward = sender, callward
    run_state_machine_as_test(
        OneSender,
        settings=settings(
            max_examples=7,
            stateful_step_count=9,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_model_notices_a_byte_that_is_lost(callward: Callward, sender: Sender) -> None:
    """The model itself can fail."""
    machine = OneSender()
    OneSender.sender, OneSender.callward = sender, callward
    machine.create(1_000)
    machine.acknowledged = machine.sent = 1_001
    with pytest.raises(AssertionError):
        machine.the_document_agrees()
