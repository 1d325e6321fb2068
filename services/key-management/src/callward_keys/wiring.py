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
from callward_keys.app.opening import Openings
from callward_keys.app.pseudonyms import Pseudonymising
from callward_keys.app.signing import CheckpointSigning, ReceiptSigning
from callward_keys.grpc_api import (
    CheckpointSigner,
    DataKeyIssuer,
    DataKeyOpener,
    Pseudonymiser,
    ReceiptSigner,
    SigningKeyDirectory,
)
from callward_keys.people import DirectoryTenants, TokenPeople
from callward_keys.ports import Transit
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
    tenants, units = DirectoryTenants(projection), DatabaseUnits(db)
    people = TokenPeople(TokenVerifier(projection, jwks, clock), audience=settings.people_audience)
    keyring = SigningKeyring(transit, DatabasePublicKeys(db), clock)
    issuing = Issuing(
        units,
        transit,
        WrapObjects(wraps),
        tenants,
        clock,
        open_for=timedelta(seconds=settings.open_seconds),
        bucket_limit=settings.bucket_limit,
    )
    openings = Openings(
        units, transit, people, tenants, clock, lease=timedelta(seconds=settings.lease_seconds)
    )
    pseudonymising = Pseudonymising(transit, tenants, clock)
    receipts, checkpoints = (
        ReceiptSigning(units, keyring, clock),
        CheckpointSigning(DatabaseCheckpoints(db), keyring),
    )
    return Service(
        name=NAME,
        grpc=[
            _bind(
                issuer_pb.DESCRIPTOR, issuer_grpc.add_DataKeyIssuerServicer_to_server, DataKeyIssuer(issuing)
            ),
            _bind(
                opener_pb.DESCRIPTOR, opener_grpc.add_DataKeyOpenerServicer_to_server, DataKeyOpener(openings)
            ),
            _bind(
                pseudonymiser_pb.DESCRIPTOR,
                pseudonymiser_grpc.add_PseudonymiserServicer_to_server,
                Pseudonymiser(pseudonymising),
            ),
            _bind(
                signing_pb.DESCRIPTOR,
                signing_grpc.add_ReceiptSignerServicer_to_server,
                ReceiptSigner(receipts),
            ),
            _bind(
                signing_pb.DESCRIPTOR,
                signing_grpc.add_CheckpointSignerServicer_to_server,
                CheckpointSigner(checkpoints),
            ),
            _bind(
                signing_pb.DESCRIPTOR,
                signing_grpc.add_SigningKeyDirectoryServicer_to_server,
                SigningKeyDirectory(keyring),
            ),
        ],
        consumers=[
            EventConsumer(
                bus=bus,
                db=db,
                group=f"{NAME}-tenants",
                handlers={TenantChanged: projection.handler},
                clock=clock,
            )
        ],
        background=[OutboxRelay(db, bus, clock), WatermarkTracker(db, GrpcWatermarkSource(channels), clock)],
        ready=[("database", db.ping), ("transit", keyring.ensure)],
    )


def _bind(file: FileDescriptor, add: Callable[[Any, Any], None], servicer: object) -> GrpcBinding:
    """Binds a servicer to the service of its own name."""
    return GrpcBinding(add, servicer, file.services_by_name[type(servicer).__name__])
