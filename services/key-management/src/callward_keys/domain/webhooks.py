"""Secrets of webhooks: what goes into the HMAC, so that no two webhooks or versions share one."""

from callward_common.errors import InvalidRequest
from callward_common.ids import parse_id
from callward_keys.domain.model import TENANT_ID

MAX_VERSION = 1_000_000


def secret_transit_key(tenant_id: str) -> str:
    """Gives the name of the transit key that a tenant's webhook secrets come from."""
    if TENANT_ID.fullmatch(tenant_id) is None:
        raise InvalidRequest("tenant_id is not a tenant's id.")
    return f"webhook.{tenant_id}"


def secret_message(webhook_id: str, version: int) -> bytes:
    """Gives the bytes under the HMAC for one version of a webhook's secret."""
    if not 1 <= version <= MAX_VERSION:
        raise InvalidRequest(f"version is not between 1 and {MAX_VERSION}.")
    return b"callward/1/webhook/" + parse_id(webhook_id).encode() + b"/" + str(version).encode()
