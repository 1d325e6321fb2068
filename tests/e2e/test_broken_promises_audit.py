"""No audit, no bytes; and a log that contradicts itself is not signed."""

import hashlib
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from callward.keys.v1 import signing_service_pb2, signing_service_pb2_grpc
from callward_common.errors import CallwardError
from tests.support import rfc9162
from tests.support.audio import wav
from tests.support.doors import Callward, saw
from tests.support.journeys import PURPOSE, answered, ask_to_listen, pull, record, session, upload
from tests.support.journeys import consented_call as consented
from tests.support.platform import Role, RunningPlatform
from tests.support.waiting import eventually

#: The service's own role may not; to who may do anything else the triggers say no.
ROLES: tuple[Role, ...] = ("run", "admin")


def test_while_audit_stands_still_nothing_is_heard(
    strict: Callward, strict_platform: RunningPlatform
) -> None:
    person, sender = strict.person(), strict.call_platform()
    recorded = record(strict, audio=wav(2))
    granted = session(person, recorded.recording_id)
    first = person.get(granted["mediaPath"], headers={"Range": "bytes=0-9"})
    assert first.content == recorded.audio[:10]
    with strict_platform.audit_stands_still():
        # Something has to be waiting for audit: this act is not on record any more.
        assert person.get("/v1/recordings").status_code == 200

        def refused() -> bool:
            answer = ask_to_listen(person, recorded.recording_id)
            if answer.status_code == 201:
                return False
            assert saw(answer) == (503, "audit-unavailable")
            assert int(answer.headers["retry-after"]) > 0
            return True

        eventually(refused, "that listening is refused")
        viewed = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={"purpose": PURPOSE})
        assert saw(viewed) == (503, "audit-unavailable")
        assert "5125550142" not in viewed.text
        # Recordings still come in: a call that is not recorded is lost for good.
        taken = answered(upload(sender, consented(sender), wav(1)), 201)
        assert taken["state"] == "sealed"

    def works_again() -> bool:
        return ask_to_listen(person, recorded.recording_id).status_code == 201

    eventually(works_again, "that listening works again")
    # What happened meanwhile is on record: the refusals as well.
    lines = eventually(
        lambda: [line for line in pull(strict.siem())[0] if taken["recordingId"].encode() in line],
        "the record of what was taken in",
    )
    assert lines
    assert any(b"audit-unavailable" in line for line in pull(strict.siem())[0])


def test_a_running_stream_ends_when_audit_stands_still(
    strict: Callward, strict_platform: RunningPlatform
) -> None:
    """A session that was granted before is asked again before its next bytes."""
    person, recorded = strict.person(), record(strict, audio=wav(2))
    granted = session(person, recorded.recording_id)
    with strict_platform.audit_stands_still():
        assert person.get("/v1/recordings").status_code == 200
        eventually(
            lambda: ask_to_listen(person, recorded.recording_id).status_code == 503,
            "that listening is refused",
        )
        fresh = person.get(granted["mediaPath"])
        assert saw(fresh) == (503, "audit-unavailable")
    eventually(lambda: person.get(granted["mediaPath"]).status_code == 200, "that listening works again")


def sign(
    platform: RunningPlatform, caller: str, origin: str, size: int, root: bytes, proof: list[bytes]
) -> Any:
    async def made() -> Any:
        channels = platform.channels(caller)
        try:
            stub = signing_service_pb2_grpc.CheckpointSignerStub(channels.channel("key-management"))
            return await stub.SignCheckpoint(
                signing_service_pb2.SignCheckpointRequest(
                    origin=origin, size=size, root=root, consistency_proof=proof
                ),
                timeout=10,
            )
        finally:
            await channels.close()

    return platform.run(made())


def last(platform: RunningPlatform, origin: str) -> Any:
    async def asked() -> Any:
        channels = platform.channels("audit")
        try:
            stub = signing_service_pb2_grpc.CheckpointSignerStub(channels.channel("key-management"))
            return await stub.GetLastCheckpoint(
                signing_service_pb2.GetLastCheckpointRequest(origin=origin), timeout=10
            )
        finally:
            await channels.close()

    return platform.run(asked())


def refusal(platform: RunningPlatform, *arguments: Any) -> str:
    with pytest.raises(CallwardError) as caught:
        sign(platform, "audit", *arguments)
    return caught.value.type


def test_a_second_root_for_the_same_size_is_not_signed(
    strict: Callward, strict_platform: RunningPlatform
) -> None:
    record(strict, audio=wav(0.5))
    origin = answered(strict.siem().get("/v1/logs"), 200)["logs"][0]["origin"]
    other = hashlib.sha256(b"another history").digest()
    # While the writer stands still the last signed checkpoint does not move away under the test.
    with strict_platform.audit_stands_still():
        signed = eventually(lambda: _settled(strict_platform, strict, origin), "a checkpoint at the head")
        again = sign(strict_platform, "audit", origin, signed.size, signed.root, [])
        assert again.note == signed.note, "the very same one is given again"
        before = signed.size - 1
        for size, root, proof in (
            (signed.size, other, []),
            (signed.size, other, [other]),
            (before, other, []),
            (signed.size + 1, other, []),
            (signed.size + 1, other, [other]),
            (signed.size + 1, signed.root, [signed.root]),
            (2**40, other, [other] * 40),
        ):
            assert refusal(strict_platform, origin, size, root, proof) == "checkpoint-conflict"
        for size, root, proof in ((0, signed.root, []), (-1, signed.root, []), (1, b"short", [])):
            assert refusal(strict_platform, origin, size, root, proof) == "invalid-request"
        assert last(strict_platform, origin).note == signed.note
    # The true history goes on being signed.
    assert strict.person().get("/v1/recordings").status_code == 200
    eventually(lambda: last(strict_platform, origin).size > signed.size, "the next true checkpoint")


def _settled(platform: RunningPlatform, callward: Callward, origin: str) -> Any:
    signed = last(platform, origin)
    heads = answered(callward.siem().get("/v1/logs"), 200)["logs"]
    return signed if signed.size == heads[0]["size"] else None


def test_a_forged_history_that_is_consistent_only_with_itself(
    callward: Callward, platform: RunningPlatform
) -> None:
    """Two trees of somebody's own: the proof between them says nothing about the log that was signed."""
    origin = answered(callward.siem().get("/v1/logs"), 200)["logs"][0]["origin"]
    signed = last(platform, origin)
    entries = [str(number).encode() for number in range(signed.size + 500)]
    forged = rfc9162.root(entries)
    left, right = rfc9162.root(entries[: signed.size]), rfc9162.root(entries[signed.size :])
    for proof in ([left, right], [right], [left], []):
        assert refusal(platform, origin, len(entries), forged, proof) == "checkpoint-conflict"


def test_only_audit_has_checkpoints_signed(platform: RunningPlatform) -> None:
    for caller in ("ingest", "access-gateway", "retention", "consent", "key-management", "operator"):
        with pytest.raises(CallwardError) as caught:
            sign(platform, caller, "callward.local/logs/1999-0", 1, bytes(32), [])
        assert caught.value.type == "caller-not-allowed"


def _any_row(platform: RunningPlatform, table: str) -> Callable[[], bool]:
    return lambda: bool(platform.sql("audit", f"SELECT 1 FROM {table} LIMIT 1", role="admin"))


def test_nobody_changes_the_ledger(platform: RunningPlatform) -> None:
    for table in ("leaves", "nodes", "checkpoints"):
        # The triggers speak row by row: a row has to be there.
        eventually(_any_row(platform, table), f"a row of {table}")
        for statement in (f"UPDATE {table} SET log = log", f"DELETE FROM {table}", f"TRUNCATE {table}"):
            for role in ROLES:
                with pytest.raises(asyncpg.PostgresError):
                    platform.sql("audit", statement, role=role)


def test_the_root_is_that_of_the_leaves(callward: Callward, platform: RunningPlatform) -> None:
    """The whole log hashed anew by RFC 9162's definition gives the root that was signed."""
    record(callward, audio=wav(0.5))
    origin = answered(callward.siem().get("/v1/logs"), 200)["logs"][0]["origin"]
    signed = last(platform, origin)
    rows = platform.sql(
        "audit",
        "SELECT body FROM leaves WHERE leaf_index < $1 ORDER BY leaf_index",
        signed.size,
        role="admin",
    )
    assert len(rows) == signed.size
    assert rfc9162.root([row["body"] for row in rows]) == signed.root
