"""The answers of /v1/reconciliations, as OpenAPI describes them."""

from pydantic import Field

from callward_common.http.model import StrictModel, Timestamp
from callward_ingest.domain.reconciliation import Detail, Finding
from callward_ingest.http.answers import ActorAnswer


class CountsAnswer(StrictModel):
    """How many items there are of each finding."""

    matched: int
    missing: int
    unexpected: int
    incomplete: int
    duplicate: int


class ItemAnswer(StrictModel):
    """What became of one call. Members without a value are left out."""

    finding: Finding
    details: list[Detail]
    position: int | None = Field(default=None, description="The call's place in the request, from 0.")
    call_id: str | None = None
    external_reference: str | None = Field(
        default=None, description="Shown in the answer to the request that holds it, and kept nowhere."
    )
    other_call_ids: list[str] | None = Field(
        default=None, description="Up to ten calls here that share the call's reference."
    )
    duplicate_of: int | None = Field(
        default=None, description="The first place in the request that names the same."
    )


class ReconciliationSummary(StrictModel):
    """A reconciliation with its counts."""

    reconciliation_id: str
    from_: Timestamp = Field(alias="from")
    to: Timestamp
    made_at: Timestamp
    made_by: ActorAnswer
    counts: CountsAnswer


class ReconciliationAnswer(ReconciliationSummary):
    """A reconciliation with a page of its items: first the named calls in order, then those that none names."""

    items: list[ItemAnswer]
    next_cursor: str | None


class ReconciliationList(StrictModel):
    """A page of reconciliations, newest first."""

    reconciliations: list[ReconciliationSummary]
    next_cursor: str | None
