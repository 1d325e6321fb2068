"""The knobs of ingest: every limit of its door is here."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class IngestSettings(ServiceSettings):
    """Settings of the service ingest, from variables that start with CALLWARD_INGEST_."""

    model_config = SettingsConfigDict(env_prefix="CALLWARD_INGEST_")

    audiences: frozenset[str] = Field(
        default=frozenset({"callward-ingest"}),
        min_length=1,
        description="The audiences of tokens for this door.",
    )
    max_body_bytes: int = Field(default=2 * 1024**3, gt=0, description="The largest recording.")
    max_json_bytes: int = Field(
        default=64 * 1024, ge=1024, le=1024**2, description="The largest body other than a recording."
    )
    max_parties: int = Field(default=32, ge=2, le=32, description="The most parties of a call.")
    max_notes_characters: int = Field(default=4000, ge=1, le=4000, description="The longest notes of a call.")
    max_parallel_uploads: int = Field(default=256, ge=1, description="Uploads under way in one process.")
    body_idle_timeout: Seconds = Field(
        default=60.0, description="Seconds without a byte after which a body ends."
    )
    min_body_rate: int = Field(
        default=256, ge=0, description="Bytes a second that a sender has to reach on average."
    )
    clock_skew: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="How far in the future a date may lie, for clocks that differ.",
    )
    claim_hold: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(minutes=1),
        description="How long an Idempotency-Key stays held after a sign of life of its request.",
    )
    keep_answers: timedelta = Field(
        default=timedelta(days=7),
        ge=timedelta(days=1),
        description="How long an Idempotency-Key stands for its answer.",
    )
    retry_after: Seconds = Field(
        default=2.0, description="What Retry-After says where nothing better is known."
    )
    jwks_max_age: Seconds = Field(
        default=300.0, description="Seconds for which the public signing keys are kept."
    )
    denials_per_minute: int = Field(
        default=60, ge=1, description="Refusals a tenant and minute that become events."
    )

    @model_validator(mode="after")
    def _hold_outlasts_silence(self) -> Self:
        # A sender may be silent for the idle timeout, and the hold is prolonged when a chunk arrives.
        if self.claim_hold.total_seconds() < 2 * self.body_idle_timeout:
            raise ValueError("claim_hold must be at least twice body_idle_timeout")
        return self
