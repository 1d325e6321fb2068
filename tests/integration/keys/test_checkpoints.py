"""The first witness of the audit log, through its door."""

import asyncio
import hashlib
from typing import Any

from callward.keys.v1 import signing_service_pb2 as signing_pb
from callward_common.errors import CallwardError
from callward_crypto.checkpoint import verify_note
from callward_crypto.merkle import leaf_hash
from tests.integration.keys.scene import Scene, refused
from tests.integration.keys.test_concurrency import eventually, types
from tests.unit.keys.reference import ORIGIN, proof, root

LEAVES = [leaf_hash(f"event {number}".encode()) for number in range(20)]
FORGED = [leaf_hash(b"another history"), *LEAVES[1:]]


def checkpoint(
    size: int, shown: list[bytes], leaves: list[bytes] = LEAVES, origin: str = ORIGIN
) -> signing_pb.SignCheckpointRequest:
    return signing_pb.SignCheckpointRequest(
        origin=origin, size=size, root=root(leaves[:size]), consistency_proof=shown
    )


async def last(scene: Scene) -> signing_pb.GetLastCheckpointResponse:
    answer: signing_pb.GetLastCheckpointResponse = await scene.checkpoints.GetLastCheckpoint(
        signing_pb.GetLastCheckpointRequest(origin=ORIGIN)
    )
    return answer


async def test_a_log_grows_under_signed_notes(scene: Scene) -> None:
    assert await last(scene) == signing_pb.GetLastCheckpointResponse()
    await scene.checkpoints.SignCheckpoint(checkpoint(3, []))
    signed = await scene.checkpoints.SignCheckpoint(checkpoint(11, proof(LEAVES[:3], LEAVES[:11])))
    keys = (await scene.directory.ListSigningKeys(signing_pb.ListSigningKeysRequest())).keys
    (public,) = [key.public_key for key in keys if key.key_id == signed.signing_key_id]
    note = verify_note(signed.note, ORIGIN, public)
    assert (note.size, note.root) == (11, root(LEAVES[:11]))
    assert (await last(scene)).note == signed.note
    assert await scene.checkpoints.SignCheckpoint(checkpoint(11, [])) == signed


async def test_a_second_root_for_one_size_is_refused(scene: Scene) -> None:
    signed = await scene.checkpoints.SignCheckpoint(checkpoint(5, []))
    await refused(scene.checkpoints.SignCheckpoint(checkpoint(5, [], FORGED)), "checkpoint-conflict")
    assert (await last(scene)).note == signed.note


async def test_a_history_that_is_not_the_signed_one_is_refused(scene: Scene) -> None:
    signed = await scene.checkpoints.SignCheckpoint(checkpoint(5, []))
    for request in (
        checkpoint(9, proof(FORGED[:5], FORGED[:9]), FORGED),
        checkpoint(9, []),
        checkpoint(9, proof(LEAVES[:4], LEAVES[:9])),
        checkpoint(4, []),
        checkpoint(4, proof(LEAVES[:4], LEAVES[:5])),
    ):
        await refused(scene.checkpoints.SignCheckpoint(request), "checkpoint-conflict")
    assert (await last(scene)).note == signed.note


async def test_origins_are_apart(scene: Scene) -> None:
    await scene.checkpoints.SignCheckpoint(checkpoint(5, []))
    await scene.checkpoints.SignCheckpoint(checkpoint(2, [], FORGED, "callward.example/logs/2027-0"))
    await refused(scene.checkpoints.SignCheckpoint(checkpoint(2, [], origin="no path")), "invalid-request")


async def test_of_two_first_roots_at_once_one_is_signed(scene: Scene) -> None:
    stub = scene.checkpoints
    answers: list[Any] = await asyncio.gather(
        *(stub.SignCheckpoint(checkpoint(5, [], leaves)) for leaves in (LEAVES, FORGED) * 4),
        return_exceptions=True,
    )
    signed = {answer.note for answer in answers if not isinstance(answer, BaseException)}
    failed = [answer.type for answer in answers if isinstance(answer, CallwardError)]
    assert len(signed) == 1
    assert failed == ["checkpoint-conflict"] * 4


async def test_of_two_forks_at_once_one_is_signed(scene: Scene, owner: Any) -> None:
    """Both grow out of the signed tree and not out of each other: the row is locked before it is read."""
    await scene.checkpoints.SignCheckpoint(checkpoint(5, []))
    fork = [*LEAVES[:5], leaf_hash(b"a fork"), *LEAVES[6:]]
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT * FROM checkpoints FOR UPDATE")
    calls = [
        asyncio.ensure_future(scene.checkpoints.SignCheckpoint(request))
        for request in (
            checkpoint(9, proof(LEAVES[:5], LEAVES[:9])),
            checkpoint(10, proof(fork[:5], fork[:10]), fork),
        )
    ]
    await eventually(lambda: both_wait(owner))
    await transaction.rollback()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert types(answers) == {"ok": 1, "checkpoint-conflict": 1}


async def both_wait(connection: Any) -> bool:
    return bool(await connection.fetchval("SELECT count(*) >= 2 FROM pg_locks WHERE NOT granted"))


async def test_no_event_tells_of_a_checkpoint(scene: Scene) -> None:
    await scene.checkpoints.SignCheckpoint(checkpoint(5, []))
    assert await scene.events() == []


async def test_the_empty_tree_may_come_first(scene: Scene) -> None:
    empty = signing_pb.SignCheckpointRequest(origin=ORIGIN, size=0, root=hashlib.sha256(b"").digest())
    signed = await scene.checkpoints.SignCheckpoint(empty)
    assert await scene.checkpoints.SignCheckpoint(empty) == signed
    assert await last(scene) == signing_pb.GetLastCheckpointResponse(
        size=0, root=empty.root, note=signed.note
    )
    await scene.checkpoints.SignCheckpoint(checkpoint(3, []))
    await refused(scene.checkpoints.SignCheckpoint(empty), "checkpoint-conflict")
