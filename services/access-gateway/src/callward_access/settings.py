"""The knobs of the access gateway."""

import re
from datetime import timedelta

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings


class AccessSettings(ServiceSettings):
    """Settings of the access gateway, from variables that start with CALLWARD_ACCESS_."""

    model_config = SettingsConfigDict(env_prefix="CALLWARD_ACCESS_")

    audience: str = Field(
        default="callward-access", min_length=1, description="The audience that tokens must name."
    )
    max_audit_lag: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        le=timedelta(minutes=5),
        description="How far audit may be behind before nothing is opened any more.",
    )
    session_lifetime: timedelta = Field(
        default=timedelta(hours=1),
        gt=timedelta(0),
        le=timedelta(hours=12),
        description="How long a listening session lasts.",
    )
    listen_lead: timedelta = Field(
        default=timedelta(seconds=30),
        ge=timedelta(0),
        le=timedelta(minutes=5),
        description="How much may be heard ahead of the pace.",
    )
    listen_factor: float = Field(
        default=2.0,
        gt=0,
        le=10,
        description="How many times faster than real time media is served after the lead.",
    )
    reauthorise_after: timedelta = Field(
        default=timedelta(seconds=30),
        gt=timedelta(0),
        le=timedelta(seconds=60),
        description="After this long a running stream asks policies, consent, audit and key-management again.",
    )
    max_playing_sessions: int = Field(
        default=10_000, ge=1, description="How many sessions' pace this process remembers at most."
    )
    max_peaks_bytes: int = Field(
        default=8 * 1024**2,
        ge=1024,
        le=64 * 1024**2,
        description="The largest waveform peaks that are served: they are not paced.",
    )
    read_ahead: int = Field(
        default=256 * 1024,
        ge=0,
        le=8 * 1024**2,
        description="How many bytes of ciphertext a running stream reads ahead, at most; 0 reads nothing ahead.",
    )
    known_parts: int = Field(
        default=100_000,
        ge=1,
        description="Of how many parts this process remembers checked manifests, at most; about 0.3 KB each.",
    )
    kept_manifests: int = Field(
        default=32 * 1024**2,
        ge=0,
        description="How many bytes of manifests this process keeps, so that a seek fetches none, at most.",
    )
    strangers_per_minute: int = Field(
        default=60,
        ge=0,
        description="How many refusals of unidentified callers go on record a minute, at most.",
    )
    cookie_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in hex that seal listening cookies; without it a new key is made at every start.",
    )

    @field_validator("cookie_key")
    @classmethod
    def _whole_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and re.fullmatch(r"[0-9a-fA-F]{64}", value.get_secret_value()) is None:
            raise PydanticCustomError("cookie_key", "the key is 32 bytes in hex: 64 digits")
        return value
