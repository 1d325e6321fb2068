"""Data keys and pseudonyms of key-management over gRPC."""

import hashlib
from collections.abc import Sequence
from datetime import date, datetime

from callward.keys.v1 import data_key_issuer_service_pb2 as issuer_pb2
from callward.keys.v1 import data_key_issuer_service_pb2_grpc as issuer_grpc
from callward.keys.v1 import data_key_pb2
from callward.keys.v1 import pseudonymiser_service_pb2 as pseudonymiser_pb2
from callward.keys.v1 import pseudonymiser_service_pb2_grpc as pseudonymiser_grpc
from callward_common.errors import CallwardError, Category, InternalError
from callward_common.grpc.client import Channels
from callward_ingest.domain.calls import IdentifierKind
from callward_ingest.domain.decisions import Plan
from callward_ingest.domain.keys import DataKey, Subject, SubjectKind
from callward_ingest.domain.policy import expiry_month
from callward_ingest.domain.recordings import ORIGINAL, PEAKS
from callward_ingest.neighbours.errors import translated
from callward_ingest.translate import from_timestamp, to_timestamp

CALLEE = "key-management"
_KINDS = {
    SubjectKind.call: data_key_pb2.SUBJECT_KIND_CALL,
    SubjectKind.recording: data_key_pb2.SUBJECT_KIND_RECORDING,
    SubjectKind.call_revision: data_key_pb2.SUBJECT_KIND_CALL_REVISION,
}
_IDENTIFIERS = {
    IdentifierKind.telephone: pseudonymiser_pb2.IDENTIFIER_KIND_TELEPHONE,
    IdentifierKind.patient: pseudonymiser_pb2.IDENTIFIER_KIND_PATIENT,
    IdentifierKind.external_reference: pseudonymiser_pb2.IDENTIFIER_KIND_EXTERNAL_REFERENCE,
}


class GrpcKeys:
    """Data keys over gRPC. A call gets its metadata subkey, a recording those of its renditions: nothing else."""

    def __init__(self, channels: Channels) -> None:
        self._channels = channels

    @property
    def _issuer(self) -> "issuer_grpc.DataKeyIssuerAsyncStub":
        return issuer_grpc.DataKeyIssuerStub(self._channels.channel(CALLEE))

    async def issue(self, subject: Subject, plan: Plan) -> DataKey:
        """Makes the key of a subject. Only the hash of the upload's secret goes out."""
        request = issuer_pb2.IssueDataKeyRequest(
            tenant_id=subject.tenant,
            subject_kind=_KINDS[subject.kind],
            subject_id=subject.subject_id,
            retention_class=plan.retention_class,
            expiry_month=expiry_month(plan.delete_after),
            not_before=to_timestamp(plan.retain_until),
            upload_secret_sha256=hashlib.sha256(subject.secret).digest(),
            subkeys=_wanted(subject),
        )
        with translated(CALLEE):
            answer = await self._issuer.IssueDataKey(request)
        return _data_key(subject, answer)

    async def reissue(self, subject: Subject) -> DataKey:
        """Gives the subkeys of a key again while it is open."""
        request = issuer_pb2.ReissueDataKeyRequest(
            tenant_id=subject.tenant,
            subject_kind=_KINDS[subject.kind],
            subject_id=subject.subject_id,
            upload_secret=subject.secret,
            subkeys=_wanted(subject),
        )
        with translated(CALLEE, passed_on=(Category.not_found,)):
            answer = await self._issuer.ReissueDataKey(request)
        return _data_key(subject, answer)

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
        """Gives an open key up. One that was never issued is as good as given up."""
        request = issuer_pb2.AbandonDataKeyRequest(
            tenant_id=subject.tenant,
            subject_kind=_KINDS[subject.kind],
            subject_id=subject.subject_id,
            upload_secret=subject.secret,
            reason=reason,
        )
        try:
            with translated(CALLEE, passed_on=(Category.not_found,)):
                await self._issuer.AbandonDataKey(request)
        except CallwardError as error:
            if error.category is not Category.not_found:
                raise


def _wanted(subject: Subject) -> data_key_pb2.Subkeys:
    if subject.kind is SubjectKind.recording:
        return data_key_pb2.Subkeys(renditions=[ORIGINAL, PEAKS])
    return data_key_pb2.Subkeys(metadata=True)


def _data_key(
    subject: Subject, answer: issuer_pb2.IssueDataKeyResponse | issuer_pb2.ReissueDataKeyResponse
) -> DataKey:
    recording = subject.kind is SubjectKind.recording
    keys = {"" if subkey.metadata else subkey.name: subkey.key for subkey in answer.subkeys}
    expected = {ORIGINAL, PEAKS} if recording else {""}
    if (
        keys.keys() != expected
        or len(answer.subkeys) != len(expected)
        or {32} != set(map(len, keys.values()))
    ):
        raise InternalError("key-management gave other subkeys than those asked for.")
    if recording:
        return DataKey(answer.key_id, answer.commitment, keys[ORIGINAL], keys[PEAKS])
    return DataKey(answer.key_id, answer.commitment, keys[""])


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
