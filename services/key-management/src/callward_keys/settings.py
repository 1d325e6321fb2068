"""The knobs of key-management."""

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings


class KeysSettings(ServiceSettings):
    """Settings of the key-management service, from variables that start with CALLWARD_KEY_MANAGEMENT_."""

    model_config = SettingsConfigDict(env_prefix="CALLWARD_KEY_MANAGEMENT_")

    people_audience: str = Field(
        default="callward-access",
        min_length=1,
        description="The audience of the people's tokens that are accepted: the door through which people come.",
    )
    lease_seconds: int = Field(
        default=60, ge=1, le=60, description="How long an opened subkey may be used, in seconds."
    )
    open_seconds: int = Field(
        default=24 * 3600,
        ge=60,
        le=7 * 24 * 3600,
        description="How long a new key may be issued again or sealed, in seconds.",
    )
    bucket_limit: int = Field(
        default=4096,
        ge=1,
        le=4096,
        description="The most data keys under one bucket key (sealing.md section 2).",
    )
