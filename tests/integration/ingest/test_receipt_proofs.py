"""What becomes of audit's answers when ingest asks for the proof of a receipt."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from callward.audit.v1 import proof_reader_service_pb2, proof_reader_service_pb2_grpc
from callward_common.errors import CallwardError, Category, Forbidden, InternalError, NotFound, Unavailable
from callward_common.grpc.server import GrpcBinding
from callward_common.ids import new_id
from callward_ingest.app.proofs import EventProof, Proofs
from callward_ingest.domain.errors import ProofNotYet, RecordingNotFound
from callward_ingest.neighbours.proofs import GrpcEventProofs
from tests.support.grpc import run_servicers
from tests.support.pki import identities


class NotYetCovered(CallwardError):
    """As audit says it of an event that waits for its checkpoint."""

    category = Category.unavailable
    type = "not-yet-covered"


class EventNotFound(CallwardError):
    """As audit says it of an event that it has not heard of."""

    category = Category.not_found
    type = "event-not-found"


class LogNotFound(CallwardError):
    """As audit says it before the first event of a log."""

    category = Category.not_found
    type = "log-not-found"


class Audit(proof_reader_service_pb2_grpc.ProofReaderServicer):
    """Answers or refuses as it is told to."""

    def __init__(self) -> None:
        self.answer: proof_reader_service_pb2.GetEventProofResponse | CallwardError
        self.asked: list[tuple[str, str]] = []

    async def GetEventProof(self, request: Any, context: Any) -> Any:
        self.asked.append((request.tenant_id, request.event_id))
        if isinstance(self.answer, CallwardError):
            raise self.answer
        return self.answer


class Receipts:
    """One receipt of one tenant."""

    def __init__(self) -> None:
        self.recording_id, self.event_id = new_id(), new_id()

    async def event_of(self, tenant: str, recording_id: str) -> str | None:
        return self.event_id if (tenant, recording_id) == ("mercy", self.recording_id) else None


@asynccontextmanager
async def proofs(audit: Audit, receipts: Receipts) -> AsyncIterator[Proofs]:
    binding = GrpcBinding(
        proof_reader_service_pb2_grpc.add_ProofReaderServicer_to_server,
        audit,
        proof_reader_service_pb2.DESCRIPTOR.services_by_name["ProofReader"],
    )
    async with run_servicers("audit", [binding], identities()) as channels_of:
        yield Proofs(receipts, GrpcEventProofs(channels_of("ingest")), retry_after=1.5)


async def test_a_proof_is_handed_on_as_it_came() -> None:
    audit, receipts = Audit(), Receipts()
    audit.answer = proof_reader_service_pb2.GetEventProofResponse(
        log="2026-0",
        origin="callward.example/logs/2026-0",
        leaf_index=7,
        tree_size=9,
        leaf='{"é":1}'.encode(),
        inclusion_proof=[b"a" * 32, b"b" * 32],
        checkpoint="note\n",
    )
    async with proofs(audit, receipts) as app:
        found = await app.of_receipt("mercy", receipts.recording_id)
    assert audit.asked == [("mercy", receipts.event_id)]
    assert found == EventProof(
        log="2026-0",
        origin="callward.example/logs/2026-0",
        leaf_index=7,
        tree_size=9,
        event='{"é":1}',
        inclusion_proof=(b"a" * 32, b"b" * 32),
        checkpoint="note\n",
    )


@pytest.mark.parametrize("error", [NotYetCovered("x"), EventNotFound("x"), LogNotFound("x")])
async def test_what_is_on_its_way_is_not_yet(error: CallwardError) -> None:
    audit, receipts = Audit(), Receipts()
    audit.answer = error
    async with proofs(audit, receipts) as app:
        with pytest.raises(ProofNotYet) as refused:
            await app.of_receipt("mercy", receipts.recording_id)
    assert (refused.value.http_status, refused.value.http_headers) == (404, {"Retry-After": "2"})


@pytest.mark.parametrize(
    ("error", "becomes"),
    [
        (Unavailable("x"), Unavailable),
        (Forbidden("x"), InternalError),
        (NotFound("x"), InternalError),
        (InternalError("x"), InternalError),
    ],
)
async def test_other_refusals_do_not_pass_as_not_yet(
    error: CallwardError, becomes: type[CallwardError]
) -> None:
    audit, receipts = Audit(), Receipts()
    audit.answer = error
    async with proofs(audit, receipts) as app:
        with pytest.raises(becomes):
            await app.of_receipt("mercy", receipts.recording_id)


async def test_a_leaf_that_is_no_text_is_not_handed_on() -> None:
    audit, receipts = Audit(), Receipts()
    audit.answer = proof_reader_service_pb2.GetEventProofResponse(leaf=b"\xff\xfe")
    async with proofs(audit, receipts) as app:
        with pytest.raises(InternalError):
            await app.of_receipt("mercy", receipts.recording_id)


async def test_for_what_has_no_receipt_audit_is_not_asked() -> None:
    audit, receipts = Audit(), Receipts()
    async with proofs(audit, receipts) as app:
        for tenant, recording_id in (("other", receipts.recording_id), ("mercy", new_id())):
            with pytest.raises(RecordingNotFound):
                await app.of_receipt(tenant, recording_id)
    assert audit.asked == []
