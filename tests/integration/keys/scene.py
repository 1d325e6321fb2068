"""What the integration tests ask the service for."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy import insert, select

from callward.keys.v1 import data_key_issuer_service_pb2 as issuer_pb
from callward.keys.v1 import data_key_issuer_service_pb2_grpc as issuer_grpc
from callward.keys.v1 import data_key_opener_service_pb2 as opener_pb
from callward.keys.v1 import data_key_opener_service_pb2_grpc as opener_grpc
from callward.keys.v1 import data_key_pb2
from callward.keys.v1 import pseudonymiser_service_pb2_grpc as pseudonymiser_grpc
from callward.keys.v1 import signing_service_pb2 as signing_pb
from callward.keys.v1 import signing_service_pb2_grpc as signing_grpc
from callward_common.db import Database
from callward_common.db.tables import outbox, tenants
from callward_common.errors import CallwardError
from callward_common.events.envelope import Envelope
from callward_common.grpc.client import MtlsChannels
from callward_common.ids import new_id
from callward_common.runtime.service import Service
from callward_common.tenancy.model import TenantRecord
from callward_common.tenancy.projection import to_proto
from callward_embedded.file_objects import FileObjectStore
from callward_embedded.key_ring import LocalTransit
from tests.support.bus import InMemoryBus
from tests.support.clock import START, ManualClock
from tests.support.tenants import ACCESS_AUDIENCE, MERCY
from tests.support.tokens import StaticIssuer

PACKAGE = "callward_keys"
CALLEE = "key-management"
TENANT = MERCY.tenant_id
SECRET = b"the secret of this upload"
MANIFEST = hashlib.sha256(b"manifest").digest()
RECORDING, CALL = data_key_pb2.SUBJECT_KIND_RECORDING, data_key_pb2.SUBJECT_KIND_CALL


def timestamp(after: timedelta = timedelta(0)) -> Timestamp:
    moment = Timestamp()
    moment.FromDatetime(START + after)
    return moment


@dataclass
class Scene:
    """The running service, and what is around it."""

    service: Service
    db: Database
    bus: InMemoryBus
    clock: ManualClock
    transit: LocalTransit
    wraps: FileObjectStore
    channels: Callable[[str], MtlsChannels]
    people: StaticIssuer
    others: StaticIssuer
    machines: StaticIssuer

    async def provision(self, *records: TenantRecord) -> None:
        """Puts tenants into the service's projection, as its consumer would."""
        rows = [
            {
                "tenant_id": record.tenant_id,
                "version": record.version,
                "data": to_proto(record).SerializeToString(),
            }
            for record in records
        ]
        async with self.db.transaction() as transaction:
            await transaction.connection.execute(insert(tenants), rows)

    def stub(self, kind: Any, caller: str) -> Any:
        return kind(self.channels(caller).channel(CALLEE))

    @property
    def issuer(self) -> Any:
        return self.stub(issuer_grpc.DataKeyIssuerStub, "ingest")

    @property
    def opener(self) -> Any:
        return self.stub(opener_grpc.DataKeyOpenerStub, "access-gateway")

    @property
    def pseudonymiser(self) -> Any:
        return self.stub(pseudonymiser_grpc.PseudonymiserStub, "ingest")

    @property
    def receipts(self) -> Any:
        return self.stub(signing_grpc.ReceiptSignerStub, "ingest")

    @property
    def checkpoints(self) -> Any:
        return self.stub(signing_grpc.CheckpointSignerStub, "audit")

    @property
    def directory(self) -> Any:
        return self.stub(signing_grpc.SigningKeyDirectoryStub, "ingest")

    async def issue(self, subject_id: str | None = None, **changes: Any) -> issuer_pb.IssueDataKeyResponse:
        answer: issuer_pb.IssueDataKeyResponse = await self.issuer.IssueDataKey(issue(subject_id, **changes))
        return answer

    async def sealed(self, subject_id: str, **changes: Any) -> issuer_pb.IssueDataKeyResponse:
        """Issues and seals; returns what issuing gave."""
        issued = await self.issue(subject_id, **changes)
        await self.issuer.SealDataKey(seal(subject_id))
        return issued

    def token(self, **claims: Any) -> str:
        return self.people.token(ACCESS_AUDIENCE, "nurse", **({"amr": ["pwd", "otp"]} | claims))

    async def events(self) -> list[tuple[Message, str, bool]]:
        """The events in the outbox in order: message, tenant, enforced."""
        query = select(outbox.c.type, outbox.c.tenant_id, outbox.c.enforced, outbox.c.data).order_by(
            outbox.c.id
        )
        async with self.db.transaction() as transaction:
            rows = (await transaction.connection.execute(query)).all()
        return [(parse(row.type, row.data), row.tenant_id, row.enforced) for row in rows]

    async def last_event(self) -> tuple[Any, str]:
        """The newest event and its tenant."""
        message, tenant, enforced = (await self.events())[-1]
        assert enforced
        return message, tenant


def parse(kind: str, data: bytes) -> Message:
    envelope = Envelope("", kind, "", START, "", "", "", 0, enforced=True, traceparent=None, data=data)
    return envelope.message()


def issue(subject_id: str | None = None, **changes: Any) -> issuer_pb.IssueDataKeyRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "subject_kind": RECORDING,
        "subject_id": subject_id or new_id(),
        "retention_class": "medical-record-adult",
        "expiry_month": "2033-11",
        "not_before": timestamp(timedelta(days=2555)),
        "upload_secret_sha256": hashlib.sha256(SECRET).digest(),
        "subkeys": data_key_pb2.Subkeys(renditions=["original"]),
    }
    return issuer_pb.IssueDataKeyRequest(**(values | changes))


def reissue(subject_id: str, **changes: Any) -> issuer_pb.ReissueDataKeyRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "subject_kind": RECORDING,
        "subject_id": subject_id,
        "upload_secret": SECRET,
        "subkeys": data_key_pb2.Subkeys(renditions=["original"]),
    }
    return issuer_pb.ReissueDataKeyRequest(**(values | changes))


def seal(subject_id: str, **changes: Any) -> issuer_pb.SealDataKeyRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "subject_kind": RECORDING,
        "subject_id": subject_id,
        "upload_secret": SECRET,
        "manifest_sha256": MANIFEST,
    }
    return issuer_pb.SealDataKeyRequest(**(values | changes))


def abandon(subject_id: str, **changes: Any) -> issuer_pb.AbandonDataKeyRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "subject_kind": RECORDING,
        "subject_id": subject_id,
        "upload_secret": SECRET,
        "reason": "body-incomplete",
    }
    return issuer_pb.AbandonDataKeyRequest(**(values | changes))


def opening(subject_id: str, token: str, **changes: Any) -> opener_pb.OpenDataKeyRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "subject_kind": RECORDING,
        "subject_id": subject_id,
        "person_token": token,
        "purpose": "TREAT",
        "grant_event_id": new_id(),
    }
    if "metadata" not in changes:
        values["rendition"] = "original"
    return opener_pb.OpenDataKeyRequest(**(values | changes))


def receipt(subject_id: str, key_id: str, **changes: Any) -> signing_pb.SignReceiptRequest:
    values: dict[str, Any] = {
        "tenant_id": TENANT,
        "recording_id": subject_id,
        "call_id": new_id(),
        "state": "sealed",
        "manifest_sha256": MANIFEST,
        "key_id": key_id,
        "consent": signing_pb.ReceiptConsent(
            decision_id=new_id(),
            outcome="permit",
            rule="all_party__consent",
            citation="Cal. Penal Code § 632",
            rules_version="2026-11",
        ),
        "retention": signing_pb.ReceiptRetention(
            retention_class="medical-record-adult",
            retain_until=timestamp(timedelta(days=2555)),
            delete_after=timestamp(timedelta(days=2585)),
            citation="Cal. Health & Safety Code § 123145",
            policy_version="policy/1+law/2026-11",
        ),
        "event_id": new_id(),
        "sealed_at": timestamp(),
    }
    return signing_pb.SignReceiptRequest(**(values | changes))


async def refused(call: Any, slug: str) -> CallwardError:
    """Awaits a call that has to be refused with this type, and returns the error."""
    with pytest.raises(CallwardError) as caught:
        await call
    assert caught.value.type == slug
    return caught.value
