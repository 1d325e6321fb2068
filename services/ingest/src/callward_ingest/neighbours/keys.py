"""Data keys and pseudonyms of key-management over gRPC."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime

from callward.keys.v1 import data_key_issuer_service_pb2 as issuer_pb2
from callward.keys.v1 import data_key_issuer_service_pb2_grpc as issuer_grpc
from callward.keys.v1 import data_key_pb2
from callward.keys.v1 import pseudonymiser_service_pb2 as pseudonymiser_pb2
from callward.keys.v1 import pseudonymiser_service_pb2_grpc as pseudonymiser_grpc
from callward_common.errors import Category, InternalError
from callward_common.grpc.client import Channels
from callward_ingest.domain.calls import IdentifierKind
from callward_ingest.domain.decisions import Plan
from callward_ingest.domain.keys import DataKey, Subject, SubjectKind
from callward_ingest.domain.policy import expiry_month
from callward_ingest.domain.recordings import ORIGINAL
from callward_ingest.neighbours.errors import translated
from callward_ingest.translate import from_timestamp, to_timestamp

CALLEE = "key-management"
_KINDS = {
    SubjectKind.call: data_key_pb2.SUBJECT_KIND_CALL,
    SubjectKind.recording: data_key_pb2.SUBJECT_KIND_RECORDING,
}
_IDENTIFIERS = {
    IdentifierKind.telephone: pseudonymiser_pb2.IDENTIFIER_KIND_TELEPHONE,
    IdentifierKind.patient: pseudonymiser_pb2.IDENTIFIER_KIND_PATIENT,
}


class GrpcKeys:
    """Data keys over gRPC. A call gets its metadata subkey, a recording its original's: nothing else is asked for."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    @property
    def _issuer(self) -> "issuer_grpc.DataKeyIssuerAsyncStub":
        return issuer_grpc.DataKeyIssuerStub(self._channels.channel(CALLEE))

    async def issue(self, subject: Subject, plan: Plan) -> DataKey:
        """Makes the key of a subject. Only the hash of the upload's secret goes out."""
        is_call = subject.kind is SubjectKind.call
        request = issuer_pb2.IssueDataKeyRequest(
            tenant_id=subject.tenant,
            subject_kind=_KINDS[subject.kind],
            subject_id=subject.subject_id,
            retention_class=plan.retention_class,
            expiry_month=expiry_month(plan.delete_after),
            not_before=to_timestamp(plan.retain_until),
            upload_secret_sha256=hashlib.sha256(subject.secret).digest(),
            subkeys=data_key_pb2.Subkeys(renditions=[] if is_call else [ORIGINAL], metadata=is_call),
        )
        with translated(CALLEE):
            answer = await self._issuer.IssueDataKey(request)
        if (
            len(answer.subkeys) != 1
            or len(answer.subkeys[0].key) != 32
            or answer.subkeys[0].metadata != is_call
        ):
            raise InternalError("key-management gave another subkey than the one asked for.")
        return DataKey(answer.key_id, answer.commitment, answer.subkeys[0].key)

    async def seal(self, subject: Subject, manifest_sha256: bytes) -> datetime:
        """Registers the hash and closes the key to ingest."""
        request = issuer_pb2.SealDataKeyRequest(
            tenant_id=subject.tenant,
            subject_kind=_KINDS[subject.kind],
            subject_id=subject.subject_id,
            upload_secret=subject.secret,
            manifest_sha256=manifest_sha256,
        )
        with translated(CALLEE):
            answer = await self._issuer.SealDataKey(request)
        return from_timestamp(answer.sealed_at)

    async def abandon(self, subject: Subject, reason: str) -> None:
        """Gives an open key up."""
        request = issuer_pb2.AbandonDataKeyRequest(
            tenant_id=subject.tenant,
            subject_kind=_KINDS[subject.kind],
            subject_id=subject.subject_id,
            upload_secret=subject.secret,
            reason=reason,
        )
        with translated(CALLEE):
            await self._issuer.AbandonDataKey(request)


class GrpcPseudonyms:
    """Pseudonyms and fingerprint keys over gRPC."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    @property
    def _pseudonymiser(self) -> "pseudonymiser_grpc.PseudonymiserAsyncStub":
        return pseudonymiser_grpc.PseudonymiserStub(self._channels.channel(CALLEE))

    async def pseudonymise(
        self, tenant: str, quarter: str, kind: IdentifierKind, values: Sequence[str]
    ) -> Sequence[bytes]:
        """Returns a pseudonym for each value, in order. A value that cannot have one is the sender's to mend."""
        request = pseudonymiser_pb2.PseudonymiseRequest(
            tenant_id=tenant, quarter=quarter, kind=_IDENTIFIERS[kind], values=values
        )
        with translated(CALLEE, passed_on=(Category.invalid,)):
            answer = await self._pseudonymiser.Pseudonymise(request)
        if len(answer.pseudonyms) != len(values):
            raise InternalError("key-management gave another number of pseudonyms than of values.")
        return tuple(answer.pseudonyms)

    async def fingerprint_key(self, tenant: str, day: date) -> bytes:
        """Returns the tenant's fingerprint key of a day in UTC."""
        request = pseudonymiser_pb2.GetFingerprintKeyRequest(tenant_id=tenant, date=day.isoformat())
        with translated(CALLEE):
            answer = await self._pseudonymiser.GetFingerprintKey(request)
        if len(answer.key) != 32:
            raise InternalError("key-management gave a fingerprint key of another length.")
        return answer.key
