"""Key-management's gRPC services: request → app → response."""

from callward_keys.grpc_api.issuer import DataKeyIssuer
from callward_keys.grpc_api.mark_signer import MarkSigner
from callward_keys.grpc_api.opener import DataKeyOpener
from callward_keys.grpc_api.pseudonymiser import Pseudonymiser
from callward_keys.grpc_api.signing import CheckpointSigner, ReceiptSigner, SigningKeyDirectory
from callward_keys.grpc_api.webhooks import WebhookSecrets

__all__ = [
    "CheckpointSigner",
    "DataKeyIssuer",
    "DataKeyOpener",
    "MarkSigner",
    "Pseudonymiser",
    "ReceiptSigner",
    "SigningKeyDirectory",
    "WebhookSecrets",
]
