"""Control marks of a call as the gateway shows them: codes and times, nothing that identifies anybody."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ControlMark:
    """What a call platform stated of a call. `statement_sha256` is of the signed statement, which ingest gives out."""

    mark_id: str
    kind: str
    leg_id: str | None
    reason: str | None
    at: datetime
    until: datetime | None
    received_at: datetime
    statement_sha256: bytes
