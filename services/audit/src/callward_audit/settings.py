"""The knobs of audit."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings


class AuditSettings(ServiceSettings):
    """Settings of the audit service, from variables that start with CALLWARD_AUDIT_."""

    model_config = SettingsConfigDict(env_prefix="CALLWARD_AUDIT_")

    audience: str = Field(
        default="callward-audit", min_length=1, description="The audience that tokens must name."
    )
    host: str = Field(
        default="callward.local",
        pattern=r"^[a-z0-9.-]{1,200}$",
        description="The host part of the logs' origin lines; never changed once a checkpoint is published.",
    )
    strangers_per_minute: int = Field(
        default=60,
        ge=0,
        description="How many refusals of unidentified callers go on record a minute, at most.",
    )
    batch: int = Field(
        default=500, ge=1, le=3000, description="How many events are put on record at a time, at most."
    )
    checkpoint_interval: timedelta = Field(
        default=timedelta(seconds=1),
        gt=timedelta(0),
        le=timedelta(minutes=1),
        description="How long a new event waits for a checkpoint, at most.",
    )
