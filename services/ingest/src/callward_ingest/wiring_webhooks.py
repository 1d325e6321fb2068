"""What is plugged into what: webhooks."""

from dataclasses import dataclass
from datetime import timedelta

from callward_common.clock import Clock
from callward_ingest.app.webhook_deliveries import WebhookDeliveries
from callward_ingest.app.webhook_sending import SendingLimits, WebhookSender
from callward_ingest.app.webhooks import Webhooks
from callward_ingest.domain.webhook_addresses import AddressRules
from callward_ingest.domain.webhook_schedule import Schedule
from callward_ingest.domain.webhook_urls import UrlRules
from callward_ingest.neighbours.webhook_secrets import GrpcWebhookSecrets
from callward_ingest.settings_webhooks import WebhookSettings
from callward_ingest.store.webhook_work import DatabaseWork
from callward_ingest.webhooks.receivers import AttemptLimits, HttpReceivers
from callward_ingest.webhooks.resolver import SystemResolver
from callward_ingest.wiring_base import Base


@dataclass(frozen=True, slots=True)
class WebhookParts:
    """The use cases for the door, and the sender for the background."""

    webhooks: Webhooks
    deliveries: WebhookDeliveries
    sender: WebhookSender


def build_webhooks(base: Base) -> WebhookParts:
    """Builds the webhooks out of their adapters."""
    settings, units, once, clock = base.settings, base.units, base.once, base.clock
    secrets, receivers = GrpcWebhookSecrets(base.channels, clock), _receivers(settings, clock)
    sender = WebhookSender(
        units=units,
        work=DatabaseWork(base.db),
        secrets=secrets,
        receivers=receivers,
        clock=clock,
        schedule=Schedule(settings.webhook_schedule, settings.webhook_disable_after),
        limits=_limits(settings),
        due=units.webhooks_due,
    )
    webhooks = Webhooks(
        units=units,
        once=once,
        secrets=secrets,
        receivers=receivers,
        clock=clock,
        max_webhooks=settings.webhook_max,
    )
    deliveries = WebhookDeliveries(units=units, once=once, clock=clock, wake=units.webhooks_due.set)
    return WebhookParts(webhooks, deliveries, sender)


def _receivers(settings: WebhookSettings, clock: Clock) -> HttpReceivers:
    addresses = AddressRules(loopback=settings.webhook_loopback, refused=settings.webhook_refused_networks)
    return HttpReceivers(
        rules=UrlRules(settings.webhook_ports, addresses),
        resolve=SystemResolver(),
        clock=clock,
        limits=AttemptLimits(
            total_seconds=settings.webhook_attempt_timeout, connect_seconds=settings.webhook_connect_timeout
        ),
    )


def _limits(settings: WebhookSettings) -> SendingLimits:
    return SendingLimits(
        parallel=settings.webhook_parallel,
        parallel_tenant=settings.webhook_parallel_tenant,
        parallel_webhook=settings.webhook_parallel_receiver,
        # No attempt outlives its lease: whoever holds one writes what came of it.
        lease=timedelta(seconds=2 * settings.webhook_attempt_timeout + 10),
        keep=settings.webhook_keep,
        drain_seconds=settings.webhook_drain,
    )
