"""Webhooks and deliveries as JSON. A secret is in none of these: it is added to one answer, and never stored."""

from callward_common.errors import JsonValue
from callward_ingest.app.answers import moment
from callward_ingest.domain.webhooks import Delivery, Webhook


def webhook_json(webhook: Webhook) -> dict[str, JsonValue]:
    """Gives a webhook."""
    return {
        "webhookId": webhook.webhook_id,
        "url": webhook.url,
        "events": [each.value for each in webhook.events],
        "description": webhook.description,
        "active": webhook.active,
        "createdAt": moment(webhook.created_at),
        "secretVersion": webhook.secret_version,
        "previousSecretUntil": moment(webhook.previous_until) if webhook.previous_until else None,
        "failingSince": moment(webhook.failing_since) if webhook.failing_since else None,
        "disabledReason": webhook.disabled_reason,
        "disabledAt": moment(webhook.disabled_at) if webhook.disabled_at else None,
    }


def delivery_json(delivery: Delivery) -> dict[str, JsonValue]:
    """Gives a delivery without its body: `eventId` is the webhook-id that its receiver saw."""
    return {
        "deliveryId": delivery.delivery_id,
        "webhookId": delivery.webhook_id,
        "eventId": delivery.event_id,
        "type": delivery.type,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "lastStatus": delivery.last_status,
        "lastError": delivery.last_error,
        "lastAttemptAt": moment(delivery.last_attempt_at) if delivery.last_attempt_at else None,
        "nextAttemptAt": moment(delivery.next_attempt_at) if delivery.next_attempt_at else None,
        "createdAt": moment(delivery.created_at),
    }
