"""Envelopes for tests that need some event, whichever."""

from datetime import UTC, datetime

from callward_common.events.envelope import Envelope
from callward_common.ids import new_id


def envelope(sequence: int, *, key: str = "key", topic: str = "t", data: bytes = b"data") -> Envelope:
    """Returns an event of a type that nobody knows."""
    return Envelope(
        id=new_id(),
        type="callward.test.v1.Happened",
        source="test",
        time=datetime(2026, 11, 24, 9, 0, tzinfo=UTC),
        tenant="mercy-general",
        topic=topic,
        key=key,
        sequence=sequence,
        enforced=False,
        traceparent=None,
        data=data,
    )
