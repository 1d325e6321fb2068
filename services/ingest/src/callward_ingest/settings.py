"""The knobs of ingest: every limit of its door is here."""

from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_settings import SettingsConfigDict

from callward_ingest.settings_webhooks import WebhookSettings

Seconds = Annotated[float, Field(gt=0, le=86_400)]


class IngestSettings(WebhookSettings):
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
    max_tenant_uploads: int = Field(
        default=256, ge=1, description="Uploads of one tenant under way in one process."
    )
    max_open_uploads: int = Field(
        default=1000, ge=1, description="Uploads of one tenant that are begun and not whole."
    )
    max_bytes_a_day: int = Field(
        default=0, ge=0, description="Bytes that a tenant may bring in within 24 hours; 0: no limit."
    )
    upload_lifetime: timedelta = Field(
        default=timedelta(hours=12),
        ge=timedelta(minutes=1),
        le=timedelta(days=6),
        description="How long a resumable upload may take. Less than key-management keeps a key open.",
    )
    part_bytes: int = Field(
        default=8 * 1024**2,
        ge=64 * 1024,
        le=1024**3,
        description="The size at which a part of a resumable upload ends.",
    )
    live_part_bytes: int = Field(
        default=256 * 1024,
        ge=1024,
        description="The size at which a part ends that has come in slowly, as a live call does.",
    )
    live_part_seconds: Seconds = Field(
        default=5.0, description="The age from which a part counts as one that comes in slowly."
    )
    part_seconds: Seconds = Field(
        default=15.0,
        description="The age at which a part ends, whatever has come: nothing is unacknowledged longer.",
    )
    max_parts: int = Field(default=10_000, ge=1, le=20_000, description="The most parts of a recording.")
    stop_patience: Seconds = Field(
        default=5.0,
        description="Seconds that uploads which cannot be resumed are given when the service stops.",
    )
    sweep_interval: Seconds = Field(
        default=5.0, description="Seconds between two looks for uploads that nobody finished."
    )
    body_idle_timeout: Seconds = Field(
        default=60.0, description="Seconds without a byte after which a body ends."
    )
    min_body_rate: int = Field(
        default=256, ge=0, description="Bytes a second that a sender has to reach on average."
    )
    decoded_channels: int = Field(
        default=8, ge=1, le=64, description="The most channels of media that has to be decoded."
    )
    decoded_sample_rate: int = Field(
        default=192_000, ge=8000, description="The highest sample rate of media that has to be decoded."
    )
    decoded_samples: int = Field(
        default=4_000_000_000,
        ge=1,
        description="The most samples decoded of one recording, all channels together.",
    )
    decoded_packets: int = Field(
        default=4_000_000, ge=1, description="The most packets decoded of one recording."
    )
    decoder_stall: Seconds = Field(
        default=30.0, description="Seconds without progress after which a decoder is given up."
    )
    clock_skew: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="How far in the future a date may lie, for clocks that differ.",
    )
    max_mask: timedelta = Field(
        default=timedelta(minutes=15),
        ge=timedelta(seconds=1),
        le=timedelta(hours=12),
        description="How long a mask or pause silences at most when nobody ends it.",
    )
    max_legs: int = Field(default=64, ge=1, le=1000, description="The most legs of a call.")
    max_marks: int = Field(default=2000, ge=1, le=100_000, description="The most control marks of a call.")
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
    max_revisions: int = Field(
        default=50, ge=1, le=100, description="The most revisions of a call's metadata."
    )
    max_revision_bytes: int = Field(
        default=32 * 1024, ge=64, le=32 * 1024, description="The largest patch of a call's metadata."
    )
    max_reconciliation_calls: int = Field(
        default=10_000, ge=1, le=50_000, description="The most calls that one reconciliation names."
    )
    max_reconciliation_found: int = Field(
        default=20_000, ge=1, le=100_000, description="The most calls on record in a reconciliation's range."
    )
    max_reconciliation_bytes: int = Field(
        default=4 * 1024**2, ge=1024, le=16 * 1024**2, description="The largest body of a reconciliation."
    )
    max_reconciliation_range: timedelta = Field(
        default=timedelta(days=31),
        gt=timedelta(0),
        le=timedelta(days=366),
        description="The longest range of a reconciliation.",
    )
    reconciliation_tolerance: timedelta = Field(
        default=timedelta(seconds=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="How much shorter than stated a call may be, and how far its times may differ.",
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
