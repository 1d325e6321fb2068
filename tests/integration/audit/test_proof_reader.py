"""What audit proves to a producer: its own events of that tenant, as its door would, and nothing else."""

import base64

import pymerkle
import pytest

from callward.audit.v1 import actor_pb2, proof_reader_service_pb2, proof_reader_service_pb2_grpc
from callward.consent.v1.events_pb2 import ConsentRevoked
from callward_audit.wiring import NAME
from callward_common.errors import CallwardError, Unavailable
from callward_common.ids import new_id
from tests.integration.audit.world import LOG, ORIGIN, World, event
from tests.support import rfc9162
from tests.support.tenants import MERCY, OTHER


async def prove(
    audit: World, event_id: str, *, tenant: str = MERCY.tenant_id, caller: str = "ingest"
) -> proof_reader_service_pb2.GetEventProofResponse:
    stub = proof_reader_service_pb2_grpc.ProofReaderStub(audit.door(caller).channel(NAME))
    answer: proof_reader_service_pb2.GetEventProofResponse = await stub.GetEventProof(
        proof_reader_service_pb2.GetEventProofRequest(tenant_id=tenant, event_id=event_id)
    )
    return answer


async def refused(audit: World, event_id: str, **more: str) -> str:
    with pytest.raises(CallwardError) as error:
        await prove(audit, event_id, **more)
    return error.value.type


async def test_an_event_of_the_caller_is_proved_as_at_the_door(audit: World) -> None:
    sent = [event(number, key=f"key-{number}") for number in range(1, 12)]
    async with audit.at_work():
        await audit.publish(*sent)
        await audit.covered(11)
        tree = pymerkle.InmemoryTree(algorithm="sha256")
        for leaf in await audit.every_leaf():
            tree.append_entry(leaf)
        for each in sent:
            proof = await prove(audit, each.id)
            assert (proof.log, proof.origin) == (LOG, ORIGIN)
            origin, size, root = rfc9162.read_note(proof.checkpoint, audit.signer.public_key)
            assert (origin, size) == (ORIGIN, proof.tree_size)
            assert root == tree.get_root(size)
            hashes = list(proof.inclusion_proof)
            assert rfc9162.included(proof.leaf, proof.leaf_index, size, hashes, root)
            assert not rfc9162.included(proof.leaf + b" ", proof.leaf_index, size, hashes, root)
            shown = (await audit.get(f"/v1/events/{each.id}/proof")).json()
            assert shown["event"].encode() == proof.leaf
            assert shown["leafIndex"] == proof.leaf_index
            if shown["treeSize"] == proof.tree_size:
                assert [base64.b64decode(value) for value in shown["inclusionProof"]] == hashes
                assert shown["checkpoint"] == proof.checkpoint


async def test_events_of_other_tenants_and_producers_are_not_there(audit: World) -> None:
    own = event(1)
    of_another_tenant = event(2, tenant=OTHER.tenant_id)
    of_nobody = event(3, tenant="")
    revoked = ConsentRevoked(actor=actor_pb2.Actor(kind=actor_pb2.ACTOR_KIND_MACHINE), call_id=new_id())
    of_another_producer = event(1, source="consent", message=revoked)
    async with audit.at_work():
        await audit.publish(own, of_another_tenant, of_nobody, of_another_producer)
        await audit.covered(4)
        assert (await prove(audit, own.id)).tree_size >= 4
        assert (await prove(audit, of_another_tenant.id, tenant=OTHER.tenant_id)).tree_size >= 4
        for each in (of_another_tenant, of_nobody, of_another_producer):
            assert await refused(audit, each.id) == "event-not-found"
        assert await refused(audit, own.id, tenant=OTHER.tenant_id) == "event-not-found"
        assert await refused(audit, new_id()) == "event-not-found"
        # As its door would show it to whoever may read everything of the tenant.
        assert (await audit.get(f"/v1/events/{of_another_producer.id}/proof")).status_code == 200


async def test_before_a_checkpoint_covers_it_there_is_no_proof(audit: World) -> None:
    first, second = event(1), event(2)
    assert await refused(audit, first.id) == "event-not-found"
    async with audit.at_work():
        audit.signer.failing = Unavailable("Key-management is away.")
        await audit.publish(first)
        await audit.recorded(1)
        assert await refused(audit, first.id) == "not-yet-covered"
        audit.signer.failing = None
        await audit.covered(1)
        assert (await prove(audit, first.id)).leaf_index == 0
        audit.signer.failing = Unavailable("Key-management is away.")
        await audit.publish(second)
        await audit.recorded(2)
        assert await refused(audit, second.id) == "not-yet-covered"
        assert (await prove(audit, first.id)).tree_size == 1


@pytest.mark.parametrize(
    "caller", ["consent", "key-management", "access-gateway", "retention", "operator", "audit"]
)
async def test_ingest_alone_may_ask(audit: World, caller: str) -> None:
    assert await refused(audit, new_id(), caller=caller) == "caller-not-allowed"


@pytest.mark.parametrize("event_id", ["", "nonsense", "'; --", "é" * 40])
async def test_what_is_no_id_is_said_to_be_none(audit: World, event_id: str) -> None:
    assert await refused(audit, event_id) == "invalid-request"


async def test_without_a_tenant_nothing_is_proved(audit: World) -> None:
    of_nobody = event(1, tenant="")
    async with audit.at_work():
        await audit.publish(of_nobody)
        await audit.covered(1)
        assert await refused(audit, of_nobody.id, tenant="") == "invalid-request"
