"""WebhookSecrets."""

from typing import Any

from callward.keys.v1 import webhook_secret_service_pb2 as pb
from callward.keys.v1 import webhook_secret_service_pb2_grpc as pb_grpc
from callward_keys.app.webhooks import WebhookSecretDeriving


class WebhookSecrets(pb_grpc.WebhookSecretsServicer):
    """Gives the secrets that webhooks are signed with."""

    def __init__(self, app: WebhookSecretDeriving) -> None:
        self._app = app

    async def GetWebhookSecret(  # noqa: N802 - the name is the proto's
        self, request: pb.GetWebhookSecretRequest, context: Any
    ) -> pb.GetWebhookSecretResponse:
        """Returns the secret of a webhook."""
        secret = await self._app.secret(request.tenant_id, request.webhook_id, request.version)
        return pb.GetWebhookSecretResponse(secret=secret)
