"""The knobs of webhooks, a part of ingest's settings."""

from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field

from callward_common.settings import ServiceSettings
from callward_ingest.domain.webhook_schedule import STANDARD_SCHEDULE

Port = Annotated[int, Field(ge=1, le=65_535)]
Wait = Annotated[timedelta, Field(ge=timedelta(0), le=timedelta(days=7))]
_NO_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = ()


class WebhookSettings(ServiceSettings):
    """Where webhooks may be sent, how often, and how much at once."""

    webhook_max: int = Field(default=50, ge=1, le=1000, description="The most webhooks of a tenant.")
    webhook_ports: frozenset[Port] = Field(
        default=frozenset({443}), min_length=1, description="The ports that a webhook's URL may name."
    )
    webhook_refused_networks: tuple[IPv4Network | IPv6Network, ...] = Field(
        default=_NO_NETWORKS,
        description="Networks that no webhook is sent to, beside all that are not public: an installation's own.",
    )
    webhook_loopback: bool = Field(
        default=False,
        description="Whether receivers may be on loopback, at any port and without TLS: for development only.",
    )
    webhook_schedule: tuple[Wait, ...] = Field(
        default=STANDARD_SCHEDULE,
        max_length=30,
        description="The waits between the attempts of a delivery; up to a fifth is added by chance.",
    )
    webhook_disable_after: timedelta = Field(
        default=timedelta(days=5),
        ge=timedelta(hours=1),
        description="After how long of nothing but failures a webhook is disabled.",
    )
    webhook_attempt_timeout: float = Field(
        default=20.0, gt=0, le=60, description="Seconds for an attempt in all, name and connection included."
    )
    webhook_connect_timeout: float = Field(
        default=5.0, gt=0, le=60, description="Seconds for connecting to one address of a receiver."
    )
    webhook_parallel: int = Field(
        default=32, ge=1, le=1000, description="Deliveries under way in one process."
    )
    webhook_parallel_tenant: int = Field(
        default=16, ge=1, le=1000, description="Deliveries of one tenant under way in one process."
    )
    webhook_parallel_receiver: int = Field(
        default=4,
        ge=1,
        le=100,
        description="Deliveries to one receiver under way in one process; one where its last attempt failed.",
    )
    webhook_keep: timedelta = Field(
        default=timedelta(days=30),
        ge=timedelta(hours=1),
        description="How long a delivery that has ended can be listed and replayed.",
    )
    webhook_drain: float = Field(
        default=3.0, ge=0, le=60, description="Seconds that deliveries under way get when the process stops."
    )
