"""The rows of one tenant, as the fakes of the database keep them."""

from dataclasses import dataclass, field
from datetime import datetime

from callward_ingest.domain.calls import Call, Pseudonym
from callward_ingest.domain.events import DomainEvent
from callward_ingest.domain.idempotency import Claimant, StoredAnswer
from callward_ingest.domain.recordings import (
    Part,
    Recording,
)
from callward_ingest.domain.uploads import Upload
from tests.unit.ingest.fakes_history import History
from tests.unit.ingest.marks_fakes import MarkedRows
from tests.unit.ingest.webhook_fakes import WebhookState


@dataclass
class Held:
    claimant: Claimant
    answer: StoredAnswer | None = None


@dataclass
class Rows:
    """All rows of one tenant."""

    calls: dict[str, Call] = field(default_factory=dict)
    pseudonyms: list[Pseudonym] = field(default_factory=list)
    recordings: dict[str, Recording] = field(default_factory=dict)
    manifests: dict[str, bytes] = field(default_factory=dict)
    keys: dict[str, Held] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    due: dict[str, datetime] = field(default_factory=dict)
    parts: dict[tuple[str, str, int], Part] = field(default_factory=dict)
    staged: dict[str, str] = field(default_factory=dict)
    marked: MarkedRows = field(default_factory=MarkedRows)
    webhooks: WebhookState = field(default_factory=WebhookState)
    history: History = field(default_factory=History)
    events: list[tuple[DomainEvent, str]] = field(default_factory=list)
