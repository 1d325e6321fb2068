"""What is plugged into what."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from google.protobuf.descriptor import FileDescriptor

from callward.access.v1.events_pb2 import TenantChanged
from callward.keys.v1 import data_key_issuer_service_pb2 as issuer_pb
from callward.keys.v1 import data_key_issuer_service_pb2_grpc as issuer_grpc
from callward.keys.v1 import data_key_opener_service_pb2 as opener_pb
from callward.keys.v1 import data_key_opener_service_pb2_grpc as opener_grpc
from callward.keys.v1 import pseudonymiser_service_pb2 as pseudonymiser_pb
from callward.keys.v1 import pseudonymiser_service_pb2_grpc as pseudonymiser_grpc
from callward.keys.v1 import signing_service_pb2 as signing_pb
from callward.keys.v1 import signing_service_pb2_grpc as signing_grpc
from callward.keys.v1 import webhook_secret_service_pb2 as webhook_pb
from callward.keys.v1 import webhook_secret_service_pb2_grpc as webhook_grpc
from callward_common.clock import Clock
from callward_common.db import Database, OutboxRelay, WatermarkTracker
from callward_common.events.bus import EventBus
from callward_common.events.consumer import EventConsumer
from callward_common.events.watermark import GrpcWatermarkSource
from callward_common.grpc.client import Channels
from callward_common.grpc.server import GrpcBinding
from callward_common.jwks import JwksSource
from callward_common.objects.store import ObjectStore
from callward_common.runtime.service import Service
from callward_common.tenancy.projection import TenantProjection
from callward_common.tokens import TokenVerifier
from callward_keys.app.issuing import Issuing
from callward_keys.app.keyring import SigningKeyring
from callward_keys.app.mark_signing import MarkSigning
from callward_keys.app.opening import Openings
from callward_keys.app.pseudonyms import Pseudonymising
from callward_keys.app.signing import CheckpointSigning, ReceiptSigning
from callward_keys.app.webhooks import WebhookSecretDeriving
from callward_keys.grpc_api import (
    CheckpointSigner,
    DataKeyIssuer,
    DataKeyOpener,
    MarkSigner,
    Pseudonymiser,
    ReceiptSigner,
    SigningKeyDirectory,
    WebhookSecrets,
)
from callward_keys.people import DirectoryTenants, TokenPeople
from callward_keys.ports import Tenants, Transit, Units
from callward_keys.settings import KeysSettings
from callward_keys.store import DatabaseCheckpoints, DatabasePublicKeys, DatabaseUnits, WrapObjects

NAME = "key-management"


def build(
    settings: KeysSettings,
    *,
    db: Database,
    bus: EventBus,
    clock: Clock,
    channels: Channels,
    transit: Transit,
    wraps: ObjectStore,
    jwks: JwksSource,
) -> Service:
    """Builds the key-management service out of its adapters. `wraps` is a store of its own, without audio."""
    projection = TenantProjection(db, clock)
    keyring = SigningKeyring(transit, DatabasePublicKeys(db), clock)
    units, tenants = DatabaseUnits(db), DirectoryTenants(projection)
    people = TokenPeople(TokenVerifier(projection, jwks, clock), audience=settings.people_audience)
    servicers = (
        DataKeyIssuer(_issuing(settings, units, transit, wraps, tenants, clock)),
        DataKeyOpener(
            Openings(units, transit, people, tenants, clock, lease=_seconds(settings.lease_seconds))
        ),
        Pseudonymiser(Pseudonymising(transit, tenants, clock)),
        ReceiptSigner(ReceiptSigning(units, keyring, clock)),
        MarkSigner(MarkSigning(units, keyring, clock)),
        CheckpointSigner(CheckpointSigning(DatabaseCheckpoints(db), keyring)),
        SigningKeyDirectory(keyring),
        WebhookSecrets(WebhookSecretDeriving(transit, tenants)),
    )
    tenant_consumer = EventConsumer(
        bus=bus, db=db, group=f"{NAME}-tenants", handlers={TenantChanged: projection.handler}, clock=clock
    )
    return Service(
        name=NAME,
        grpc=[_bind(servicer) for servicer in servicers],
        consumers=[tenant_consumer],
        background=[OutboxRelay(db, bus, clock), WatermarkTracker(db, GrpcWatermarkSource(channels), clock)],
        ready=[("database", db.ping), ("transit", keyring.ensure)],
    )


def _issuing(
    settings: KeysSettings, units: Units, transit: Transit, wraps: ObjectStore, tenants: Tenants, clock: Clock
) -> Issuing:
    return Issuing(
        units,
        transit,
        WrapObjects(wraps),
        tenants,
        clock,
        open_for=_seconds(settings.open_seconds),
        bucket_limit=settings.bucket_limit,
    )


def _seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


#: Servicer → the generated function that adds it to a server, and the file that describes its service.
_GENERATED: dict[type, tuple[Callable[[Any, Any], None], FileDescriptor]] = {
    DataKeyIssuer: (issuer_grpc.add_DataKeyIssuerServicer_to_server, issuer_pb.DESCRIPTOR),
    DataKeyOpener: (opener_grpc.add_DataKeyOpenerServicer_to_server, opener_pb.DESCRIPTOR),
    Pseudonymiser: (pseudonymiser_grpc.add_PseudonymiserServicer_to_server, pseudonymiser_pb.DESCRIPTOR),
    ReceiptSigner: (signing_grpc.add_ReceiptSignerServicer_to_server, signing_pb.DESCRIPTOR),
    MarkSigner: (signing_grpc.add_MarkSignerServicer_to_server, signing_pb.DESCRIPTOR),
    CheckpointSigner: (signing_grpc.add_CheckpointSignerServicer_to_server, signing_pb.DESCRIPTOR),
    WebhookSecrets: (webhook_grpc.add_WebhookSecretsServicer_to_server, webhook_pb.DESCRIPTOR),
    SigningKeyDirectory: (signing_grpc.add_SigningKeyDirectoryServicer_to_server, signing_pb.DESCRIPTOR),
}


def _bind(servicer: object) -> GrpcBinding:
    add, file = _GENERATED[type(servicer)]
    return GrpcBinding(add, servicer, file.services_by_name[type(servicer).__name__])
