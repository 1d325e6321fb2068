"""The knobs of retention."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings


class RetentionSettings(ServiceSettings):
    """Settings of the retention service, from variables that start with CALLWARD_RETENTION_."""

    model_config = SettingsConfigDict(env_prefix="CALLWARD_RETENTION_")

    delete_after_days: int = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days between the end of the period and destruction, for tenants that say nothing.",
    )
