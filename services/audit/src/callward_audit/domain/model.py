"""What audit knows: facts of an event, leaves, logs and checkpoints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Fact:
    """An event as it came off the bus, in plain data. `fields` has the proto's own field names."""

    event_id: str
    type: str
    producer: str
    sequence: int
    tenant_id: str
    key: str
    occurred_at: datetime
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class Leaf:
    """One leaf of a log: the exact bytes that were hashed and are delivered."""

    index: int
    tenant_id: str
    event_id: str
    producer: str
    sequence: int
    type: str
    occurred_at: datetime
    body: bytes


@dataclass(frozen=True)
class LogHead:
    """Where a log stands. `frontier` are the roots of its complete subtrees, largest first."""

    log: str
    origin: str
    size: int
    frontier: Sequence[bytes]
    epoch: int


@dataclass(frozen=True)
class SignedCheckpoint:
    """A checkpoint as signed: a C2SP note over origin, size and root."""

    log: str
    size: int
    root: bytes
    note: str
    signed_at: datetime


@dataclass(frozen=True)
class Watermark:
    """How far a producer's events are on record without a gap, since when, and in which log. 0 when none is."""

    producer: str
    sequence: int
    committed_at: datetime | None
    log: str


@dataclass(frozen=True)
class InclusionProof:
    """Everything needed to check offline that one event is in the log (RFC 9162 section 2.1.3)."""

    leaf: Leaf
    checkpoint: SignedCheckpoint
    hashes: Sequence[bytes]
