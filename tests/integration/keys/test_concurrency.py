"""What happens at the same time, and what a crash in between leaves."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest

from callward.keys.v1.events_pb2 import KeyShredPending
from callward_common.errors import CallwardError, Unavailable
from callward_common.ids import new_id
from callward_common.objects.store import StoredObject
from callward_embedded.file_objects import FileObjectStore
from callward_embedded.key_ring import LocalTransit
from callward_keys.store.units import bucket_lock
from tests.integration.keys.scene import MANIFEST, TENANT, Scene, issue, opening, seal
from tests.integration.keys.test_database import as_tenant


async def eventually(condition: Any, seconds: float = 10) -> None:
    """Waits until a condition holds."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - PostgreSQL tells nobody who waits for a lock
            await asyncio.sleep(0.01)


async def buckets(connection: Any) -> dict[str, int]:
    """The buckets with the number of keys in each."""
    rows = await as_tenant(
        connection,
        TENANT,
        "SELECT transit_key, count(key_id) FROM buckets LEFT JOIN data_keys USING (bucket_id) GROUP BY 1",
    )
    return {row[0].rsplit(".", 1)[1]: row[1] for row in rows}


def types(answers: Sequence[object]) -> Counter[str]:
    return Counter(answer.type if isinstance(answer, CallwardError) else "ok" for answer in answers)


async def test_two_issues_at_a_buckets_limit_do_not_overfill_it(scene: Scene, run: Any) -> None:
    for _ in range(3):
        await scene.issue()
    assert await buckets(run) == {"1": 3}
    await asyncio.gather(scene.issue(), scene.issue())
    assert await buckets(run) == {"1": 4, "2": 1}


async def test_many_issues_at_once_fill_buckets_to_the_limit_and_never_past_it(
    scene: Scene, run: Any
) -> None:
    stub = scene.issuer
    answers = await asyncio.gather(*(stub.IssueDataKey(issue()) for _ in range(30)), return_exceptions=True)
    assert types(answers) == {"ok": 30}
    found = await buckets(run)
    assert sum(found.values()) == 30
    assert max(found.values()) <= 4


async def test_of_two_issues_for_one_subject_one_gets_a_key(scene: Scene, run: Any) -> None:
    recording, stub = new_id(), scene.issuer
    answers = await asyncio.gather(
        *(stub.IssueDataKey(issue(recording)) for _ in range(6)), return_exceptions=True
    )
    assert types(answers) == {"ok": 1, "key-exists": 5}
    assert sum((await buckets(run)).values()) == 1


async def test_of_two_seals_with_two_manifests_one_counts(scene: Scene) -> None:
    recording, stub = new_id(), scene.issuer
    await scene.issue(recording)
    hashes = [MANIFEST, bytes(32)] * 3
    answers = await asyncio.gather(
        *(stub.SealDataKey(seal(recording, manifest_sha256=each)) for each in hashes), return_exceptions=True
    )
    assert types(answers) == {"ok": 3, "manifest-conflict": 3}
    won = {
        each for each, answer in zip(hashes, answers, strict=True) if not isinstance(answer, BaseException)
    }
    lease = await scene.opener.OpenDataKey(opening(recording, scene.token()))
    assert {lease.manifest_sha256} == won
    assert len([each async for each in scene.wraps.versions("wraps/")]) == 1


async def test_issue_waits_for_a_destruction_in_its_bucket(scene: Scene, owner: Any, run: Any) -> None:
    """A destruction holds the bucket's lock exclusively: nothing is wrapped meanwhile that it would not see."""
    await scene.issue()
    name = f"bucket.{TENANT}.medical-record-adult.2033-11.1"
    transaction = owner.transaction()
    await transaction.start()
    await owner.execute("SELECT pg_advisory_xact_lock($1)", bucket_lock(name))
    waiting = asyncio.create_task(scene.issue())

    async def is_waiting() -> bool:
        return bool(
            await run.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
        )

    await eventually(is_waiting)
    assert await buckets(run) == {"1": 1}
    await scene.transit.rotate(name)
    await scene.transit.set_minimum(name, 2)
    await scene.transit.trim(name, 2)
    await transaction.rollback()
    await waiting
    (wrap,) = [
        row[0]
        for row in await as_tenant(run, TENANT, "SELECT wrap FROM data_keys WHERE wrap LIKE 'vault:v2:%'")
    ]
    assert wrap.startswith("vault:v2:")


async def test_issues_share_a_buckets_lock(scene: Scene, run: Any) -> None:
    name = f"bucket.{TENANT}.medical-record-adult.2033-11.1"
    await scene.issue()
    async with run.transaction():
        await run.execute("SELECT pg_advisory_xact_lock_shared($1)", bucket_lock(name))
        await asyncio.wait_for(scene.issue(), 5)


async def test_a_crash_between_wrap_object_and_commit_is_completed_by_a_retry(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = new_id()
    await scene.issue(recording)

    async def put(self: FileObjectStore, key: str, body: AsyncIterator[bytes]) -> StoredObject:
        await whole(self, key, body)
        raise Unavailable("The process is gone.")

    whole = FileObjectStore.put
    with monkeypatch.context() as patch:
        patch.setattr(FileObjectStore, "put", put)
        with pytest.raises(Unavailable):
            await scene.issuer.SealDataKey(seal(recording))
    assert len([each async for each in scene.wraps.versions("wraps/")]) == 1
    with pytest.raises(CallwardError):
        await scene.opener.OpenDataKey(opening(recording, scene.token()))
    await scene.issuer.SealDataKey(seal(recording))
    assert len([each async for each in scene.wraps.versions("wraps/")]) == 1
    assert (await scene.opener.OpenDataKey(opening(recording, scene.token()))).manifest_sha256 == MANIFEST


async def test_a_wrap_replaced_in_the_database_is_found_out(scene: Scene, owner: Any) -> None:
    victim, other = new_id(), new_id()
    await scene.issue(victim)
    await scene.sealed(other)
    for recording in (victim, other):
        replaced = await scene.transit.generate_data_key(
            f"bucket.{TENANT}.medical-record-adult.2033-11.1", recording.encode()
        )
        await as_tenant(
            owner, TENANT, "UPDATE data_keys SET wrap = $1 WHERE subject_id = $2", replaced.wrap, recording
        )
    for call in (
        scene.issuer.SealDataKey(seal(victim)),
        scene.opener.OpenDataKey(opening(other, scene.token())),
    ):
        with pytest.raises(CallwardError) as caught:
            await call
        assert caught.value.type == "commitment-mismatch"


async def test_a_wrap_moved_to_another_recording_does_not_open(scene: Scene, owner: Any) -> None:
    one, two = new_id(), new_id()
    await scene.sealed(one)
    await scene.sealed(two)
    await as_tenant(
        owner,
        TENANT,
        "UPDATE data_keys a SET wrap = b.wrap FROM data_keys b WHERE a.subject_id = $1 AND b.subject_id = $2",
        one,
        two,
    )
    with pytest.raises(CallwardError) as caught:
        await scene.opener.OpenDataKey(opening(one, scene.token()))
    assert caught.value.type == "wrap-refused"


async def test_keys_of_uploads_that_are_gone_are_closed_once_however_many_issues_follow(
    scene: Scene, run: Any
) -> None:
    lost = [new_id() for _ in range(20)]
    for subject_id in lost:
        await scene.issue(subject_id)
    await scene.sealed(new_id())
    scene.clock.advance(timedelta(hours=25))
    for _ in range(4):
        await asyncio.gather(scene.issue(), scene.issue())
    rows = await as_tenant(run, TENANT, "SELECT state, count(*) FROM data_keys GROUP BY 1")
    assert {row[0]: row[1] for row in rows} == {"shred_pending": 20, "sealed": 1, "open": 8}
    told = [message for message, _, _ in await scene.events() if isinstance(message, KeyShredPending)]
    assert sorted(message.subject_id for message in told) == sorted(lost)
    assert {message.reason for message in told} == {"key-expired"}


async def test_transit_away_is_an_outage_that_passes(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = new_id()
    await scene.sealed(recording)
    events = len(await scene.events())

    def away(*_: object) -> None:
        raise OSError("no such device")

    with monkeypatch.context() as patch:
        patch.setattr("callward_embedded.key_ring_files.KeyFiles.load", away)
        for call in (
            scene.issuer.IssueDataKey(issue()),
            scene.opener.OpenDataKey(opening(recording, scene.token())),
        ):
            with pytest.raises(CallwardError) as caught:
                await call
            assert caught.value.type == "transit-unavailable"
    assert len(await scene.events()) == events
    assert await scene.opener.OpenDataKey(opening(recording, scene.token()))
    assert isinstance(scene.transit, LocalTransit)
