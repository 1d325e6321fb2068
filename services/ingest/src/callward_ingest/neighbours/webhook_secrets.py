"""Secrets of webhooks, from key-management over gRPC."""

from collections import OrderedDict

from callward.keys.v1 import webhook_secret_service_pb2 as pb2
from callward.keys.v1 import webhook_secret_service_pb2_grpc as pb2_grpc
from callward_common.clock import Clock
from callward_common.errors import InternalError
from callward_common.grpc.client import Channels
from callward_ingest.domain.webhook_signing import SECRET_BYTES
from callward_ingest.neighbours.errors import translated
from callward_ingest.neighbours.keys import CALLEE

_CAPACITY = 1024
#: A tenant that is suspended gets no deliveries any more after this long.
_SECONDS = 60.0


class GrpcWebhookSecrets:
    """Secrets, kept in memory for a minute: at most 1,024, the least recently used dropped first."""

    def __init__(self, channels: Channels, clock: Clock) -> None:
        self._channels, self._clock = channels, clock
        self._known: OrderedDict[tuple[str, str, int], tuple[float, bytes]] = OrderedDict()

    async def secret(self, tenant: str, webhook_id: str, version: int) -> bytes:
        """Returns one version of a webhook's secret (32 bytes)."""
        which, now = (tenant, webhook_id, version), self._clock.monotonic()
        since, secret = self._known.get(which, (float("-inf"), b""))
        if now - since >= _SECONDS:
            since, secret = now, await self._ask(tenant, webhook_id, version)
        self._known[which] = (since, secret)
        self._known.move_to_end(which)
        if len(self._known) > _CAPACITY:
            self._known.popitem(last=False)
        return secret

    async def _ask(self, tenant: str, webhook_id: str, version: int) -> bytes:
        stub: pb2_grpc.WebhookSecretsAsyncStub = pb2_grpc.WebhookSecretsStub(self._channels.channel(CALLEE))
        request = pb2.GetWebhookSecretRequest(tenant_id=tenant, webhook_id=webhook_id, version=version)
        with translated(CALLEE):
            answer = await stub.GetWebhookSecret(request)
        if len(answer.secret) != SECRET_BYTES:
            raise InternalError("key-management gave a webhook's secret of another length.")
        return answer.secret
