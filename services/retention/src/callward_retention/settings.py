"""The knobs of retention."""

from datetime import timedelta

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings


class RetentionSettings(ServiceSettings):
    """Settings of the retention service, from variables that start with CALLWARD_RETENTION_."""

    model_config = SettingsConfigDict(env_prefix="CALLWARD_RETENTION_")

    future_tolerance: timedelta = Field(
        default=timedelta(minutes=5),
        ge=timedelta(0),
        le=timedelta(hours=1),
        description="How far in the future a date may lie, for clocks that differ.",
    )
