"""What is sent, when it is sent again, and what a receiver cannot do by being slow, rude or down."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from standardwebhooks import Webhook as Verifier

from callward_common.errors import Unavailable
from callward_common.ids import new_id
from callward_ingest.domain.events import UploadAbandoned
from callward_ingest.domain.webhooks import WebhookEvent
from tests.integration.ingest import webhook_receiver as receivers
from tests.integration.ingest.webhook_receiver import answers, receiver
from tests.integration.ingest.webhook_rig import MACHINE, OTHER, TENANT, Rig, killed, rig, sending
from tests.support.postgres import PostgresServer


@pytest.fixture
async def made(postgres: PostgresServer) -> AsyncIterator[Rig]:
    async with rig(postgres) as wired:
        yield wired


async def test_a_delivery_is_signed_as_the_independent_library_demands(made: Rig) -> None:
    async with receiver() as there, sending(made.sender()):
        webhook_id, secret = await made.register(there.url("/hook?token=abc"))
        (event_id,) = await made.happens()
        (delivery,) = await made.settled(webhook_id, "delivered")
    (request,) = there.requests
    assert request.line == "POST /hook?token=abc HTTP/1.1"
    assert request.headers["host"] == f"127.0.0.1:{there.port}"
    assert request.headers["content-type"] == "application/json"
    payload = Verifier(secret).verify(request.body, request.headers)
    assert payload["type"] == "upload.abandoned"
    assert set(payload) == {"type", "timestamp", "data"}
    assert set(payload["data"]) == {"recordingId", "callId", "reason"}
    assert request.webhook_id == delivery.event_id == event_id
    assert (delivery.attempts, delivery.last_status, delivery.last_error) == (1, 204, None)


async def test_only_what_was_asked_for_is_sent_and_to_its_tenant_alone(made: Rig) -> None:
    async with receiver() as there, receiver() as wants_other, receiver() as strangers:
        webhook_id, _ = await made.register(there.url())
        await made.register(wants_other.url(), events=(WebhookEvent.recording_sealed,))
        await made.register(strangers.url(), tenant=OTHER)
        async with sending(made.sender()):
            await made.happens(2)
            await made.settled(webhook_id, "delivered", "delivered")
    assert (len(there.requests), wants_other.requests, strangers.requests) == (2, [], [])


async def test_a_tenant_without_webhooks_has_no_rows(made: Rig) -> None:
    await made.happens(3)
    assert not await made.rows("SELECT 1 FROM webhook_work")
    assert await made.recorded() == ["UploadAbandoned"] * 3


async def test_what_is_not_committed_is_not_sent(made: Rig) -> None:
    async with receiver() as there:
        await made.register(there.url())

        async def fails() -> None:
            async with made.units.begin(TENANT) as unit:
                unit.record(UploadAbandoned(MACHINE, new_id(), new_id(), "body-incomplete"))
                raise RuntimeError("undone")

        with pytest.raises(RuntimeError):
            await fails()
    assert not await made.rows("SELECT 1 FROM webhook_deliveries")


async def test_500_then_200(made: Rig) -> None:
    async with receiver(answers(500), answers(200)) as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        (failed,) = await made.settled(webhook_id, "pending", attempts=1)
        assert (failed.last_status, failed.last_error) == (500, "status")
        assert failed.last_attempt_at is not None
        assert failed.next_attempt_at == failed.last_attempt_at + timedelta(seconds=5)
        assert (await made.webhook(webhook_id)).failing_since is not None
        made.clock.advance(timedelta(seconds=5))
        await made.settled(webhook_id, "delivered", attempts=2)
    first, second = there.requests
    assert (first.webhook_id, first.body) == (second.webhook_id, second.body)
    assert int(second.headers["webhook-timestamp"]) >= int(first.headers["webhook-timestamp"]) + 5
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]
    assert (await made.webhook(webhook_id)).failing_since is None


async def test_a_dead_letter_and_its_replay(made: Rig) -> None:
    async with receiver(answers(503), answers(503), answers(503), answers(200)) as there:
        webhook_id, _ = await made.register(there.url())
        started = made.clock.now()
        async with sending(made.sender()):
            await made.happens()
            for attempt, wait in ((1, 5), (2, 300)):
                await made.settled(webhook_id, "pending", attempts=attempt)
                made.clock.advance(timedelta(seconds=wait))
            (dead,) = await made.settled(webhook_id, "dead", attempts=3)
            assert dead.next_attempt_at is None
            answer = await made.deliveries.replay_dead(made.request(), webhook_id, started)
            assert answer.body == {"replayed": 1, "more": False}
            (again,) = await made.settled(webhook_id, "delivered", attempts=4)
            assert again.delivery_id == dead.delivery_id
            assert (await made.deliveries.replay_dead(made.request(), webhook_id, started)).body[
                "replayed"
            ] == 0
    assert len({each.webhook_id for each in there.requests}) == 1


async def test_a_delivered_one_is_replayed_by_itself(made: Rig) -> None:
    async with receiver() as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        (delivery,) = await made.settled(webhook_id, "delivered")
        await made.deliveries.replay(made.request(), webhook_id, delivery.delivery_id)
        await made.settled(webhook_id, "delivered", attempts=2)
    assert there.requests[0].webhook_id == there.requests[1].webhook_id


async def test_410_disables_and_says_why(made: Rig) -> None:
    async with receiver(answers(410)) as there, sending(made.sender(parallel_webhook=1)):
        webhook_id, _ = await made.register(there.url())
        await made.happens(3)
        dead = await made.settled(webhook_id, "dead", "dead", "dead")
        found = await made.webhook(webhook_id)
        assert (found.active, found.disabled_reason) == (False, "gone")
        assert [each.last_error for each in dead] == ["status", "webhook-disabled", "webhook-disabled"]
        assert len(there.requests) == 1
        await made.happens()  # nothing is made for a webhook that is not active
        assert len(await made.listed(webhook_id)) == 3
    assert (await made.recorded()).count("WebhookDisabled") == 1


async def test_days_of_nothing_but_failures_disable(made: Rig) -> None:
    async with receiver(answers(500)) as there, sending(made.sender(waits=[3600 * 24] * 9)):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        for attempt in range(1, 6):
            await made.settled(webhook_id, "pending", attempts=attempt)
            assert (await made.webhook(webhook_id)).active
            made.clock.advance(timedelta(days=1))
        await made.settled(webhook_id, "pending", attempts=6)
        assert (await made.webhook(webhook_id)).disabled_reason == "only-failures"
        made.clock.advance(timedelta(days=1))
        (dead,) = await made.settled(webhook_id, "dead")
        assert (dead.attempts, dead.last_error) == (6, "webhook-disabled")


async def test_retry_after_is_heeded(made: Rig) -> None:
    async with receiver(answers(429, Retry_After="120")) as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        (delivery,) = await made.settled(webhook_id, "pending", attempts=1)
    assert delivery.last_attempt_at is not None
    assert delivery.next_attempt_at == delivery.last_attempt_at + timedelta(seconds=120)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (receivers.hangs(), "timeout"),
        (receivers.drips_headers, "timeout"),
        (receivers.informs_for_ever, "timeout"),
        (receivers.closes, "answer-unreadable"),
        (receivers.talks_nonsense, "answer-unreadable"),
        (receivers.endless_header, "answer-unreadable"),
        (answers(301, Location="http://169.254.169.254/latest/meta-data/"), "redirect-refused"),
        (answers(307, Location="http://169.254.169.254/latest/meta-data/"), "redirect-refused"),
    ],
    ids=[
        "hangs",
        "drips its head",
        "informs for ever",
        "closes",
        "nonsense",
        "endless header",
        "redirect 301",
        "redirect 307",
    ],
)
async def test_bad_receivers(made: Rig, behaviour: receivers.Behaviour, error: str) -> None:
    async with receiver(behaviour) as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        (delivery,) = await made.settled(webhook_id, "pending", attempts=1)
        assert delivery.last_error == error
        assert there.connections == 1


async def test_a_receiver_that_answers_10_gb_is_read_a_little_of(made: Rig) -> None:
    flood = receivers.Flood()
    async with receiver(flood) as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        (delivery,) = await made.settled(webhook_id, "delivered")
        assert delivery.last_status == 200
        async with asyncio.timeout(10):
            while there.open_now:  # noqa: ASYNC110 - the other side is watched
                await asyncio.sleep(0.02)
    # What the kernel's buffers took beside the 64 KiB that were read.
    assert flood.sent < 16 * 1024**2


async def test_a_body_that_drips_does_not_undo_the_status(made: Rig) -> None:
    async with receiver(receivers.drips_body) as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        await made.settled(webhook_id, "delivered")


async def test_a_receiver_that_hangs_does_not_delay_others(made: Rig) -> None:
    release = asyncio.Event()
    async with receiver(receivers.hangs(release)) as hanging, receiver() as healthy:
        slow, _ = await made.register(hanging.url())
        for _ in range(3):
            await made.happens(4)
        well, _ = await made.register(healthy.url())
        async with sending(made.sender(parallel=4, parallel_tenant=4, parallel_webhook=2)):
            await hanging.until(2)
            await made.happens(10)
            await healthy.until(10)
            assert hanging.most_open == 2
            assert all(
                each.state.value == "delivered" for each in await made.settled(well, *["delivered"] * 10)
            )
            assert {each.state.value for each in await made.listed(slow)} == {"pending"}
            release.set()


async def test_a_receiver_that_is_down_does_not_delay_others(made: Rig) -> None:
    async with receiver() as gone:
        down = gone.url()
    async with receiver() as healthy, sending(made.sender()):
        dead, _ = await made.register(down)
        well, _ = await made.register(healthy.url())
        await made.happens(5)
        await made.settled(well, *["delivered"] * 5)
        failed = await made.settled(dead, *["pending"] * 5, attempts=1)
        assert {each.last_error for each in failed} <= {"connection-failed", None}


async def test_one_tenants_receivers_leave_room_for_anothers(made: Rig) -> None:
    async with receiver(receivers.hangs()) as hanging, receiver() as healthy:
        for _ in range(3):
            await made.register(hanging.url())
        await made.happens(4)
        other, _ = await made.register(healthy.url(), tenant=OTHER)
        async with sending(made.sender(parallel=4, parallel_tenant=2, parallel_webhook=2)):
            await hanging.until(2)
            await made.happens(2, tenant=OTHER)
            await healthy.until(2)
    assert len(await made.listed(other, OTHER)) == 2


async def test_killed_between_sending_and_writing_it_is_sent_again_under_the_same_id(made: Rig) -> None:
    release = asyncio.Event()
    async with receiver(receivers.hangs(release), answers(200)) as there:
        webhook_id, _ = await made.register(there.url())
        (event_id,) = await made.happens()
        async with killed(made.sender()):
            await there.until(1)
        (pending,) = await made.listed(webhook_id)
        assert (pending.state.value, pending.attempts) == ("pending", 0)
        async with sending(made.sender()):
            # The lease of the dead process holds until it runs out.
            assert len(there.requests) == 1
            made.clock.advance(timedelta(seconds=60))
            await made.settled(webhook_id, "delivered", attempts=1)
    assert [each.webhook_id for each in there.requests] == [event_id, event_id]


async def test_two_senders_on_one_database_send_each_once(made: Rig) -> None:
    async with receiver() as there:
        webhook_id, _ = await made.register(there.url())
        ids = await made.happens(40)
        async with sending(made.sender(), made.sender(), made.sender()):
            await made.settled(webhook_id, *["delivered"] * 40)
    assert sorted(each.webhook_id for each in there.requests) == sorted(ids)


async def test_a_stop_lets_a_delivery_end(made: Rig) -> None:
    release = asyncio.Event()
    async with receiver(receivers.hangs(release)) as there:
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        async with sending(made.sender()):
            await there.until(1)
            asyncio.get_running_loop().call_later(0.2, release.set)
        (delivery,) = await made.listed(webhook_id)
    assert delivery.state.value == "delivered"


async def test_a_stop_gives_back_what_does_not_end(made: Rig) -> None:
    async with receiver(receivers.hangs(), answers(200)) as there:
        webhook_id, _ = await made.register(there.url())
        await made.happens()
        async with sending(made.sender(drain_seconds=0.1)):
            await there.until(1)
        (delivery,) = await made.listed(webhook_id)
        assert (delivery.state.value, delivery.attempts) == ("pending", 0)
        async with sending(made.sender()):  # the next process need not wait for a lease
            await made.settled(webhook_id, "delivered", attempts=1)
    assert there.requests[0].webhook_id == there.requests[1].webhook_id


async def test_a_rotated_secret_counts_beside_the_new_one_for_a_day(made: Rig) -> None:
    async with receiver() as there, sending(made.sender()):
        webhook_id, old = await made.register(there.url())
        answer = await made.webhooks.rotate_secret(made.request("rotate"), webhook_id)
        new = str(answer.body["secret"])
        assert new != old
        await made.happens()
        await made.settled(webhook_id, "delivered")
        (request,) = there.requests
        assert len(request.headers["webhook-signature"].split(" ")) == 2
        for secret in (old, new):
            Verifier(secret).verify(request.body, request.headers)
        made.clock.advance(timedelta(hours=24))
        await made.happens()
        await made.settled(webhook_id, "delivered", "delivered")
    assert len(there.requests[1].headers["webhook-signature"].split(" ")) == 1
    assert (await made.recorded()).count("WebhookChanged") == 1


async def test_without_a_secret_nothing_is_sent_and_no_attempt_counts(made: Rig) -> None:
    async with receiver() as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        made.secrets.failing = Unavailable("key-management is away")
        await made.happens()

        await made.until_rows(
            "SELECT 1 FROM webhook_work WHERE lease IS NULL AND due_at > now() + interval '10 s'", 1
        )
        assert (await made.listed(webhook_id))[0].attempts == 0
        assert not there.requests
        made.secrets.failing = None
        made.clock.advance(timedelta(seconds=30))
        await made.settled(webhook_id, "delivered", attempts=1)


async def test_a_removed_webhook_gets_nothing_any_more(made: Rig) -> None:
    async with receiver() as there:
        webhook_id, _ = await made.register(there.url())
        await made.happens(2)
        await made.webhooks.remove(made.request("remove"), webhook_id)
        async with sending(made.sender()):
            await made.until_rows("SELECT 1 FROM webhook_work", 0)
    assert not there.requests
    assert not await made.rows("SELECT 1 FROM webhook_deliveries")
    (row,) = await made.rows("SELECT url, active FROM webhooks")
    assert (row["url"], row["active"]) == ("", False)


async def test_what_has_ended_is_cleared_away_in_time(made: Rig) -> None:
    async with receiver() as there, sending(made.sender(keep=timedelta(days=2))):
        webhook_id, _ = await made.register(there.url())
        await made.happens(3)
        await made.settled(webhook_id, *["delivered"] * 3)
        made.clock.advance(timedelta(days=2, minutes=1))
        await made.until_rows("SELECT 1 FROM webhook_work", 0)
    assert await made.listed(webhook_id) == []


async def test_nothing_of_a_person_is_in_a_body(made: Rig) -> None:
    async with receiver() as there, sending(made.sender()):
        webhook_id, _ = await made.register(there.url())
        await made.deliveries.test(made.request(), webhook_id)
        await made.settled(webhook_id, "delivered")
    payload = json.loads(there.requests[0].body)
    assert payload == {
        "type": "webhook.ping",
        "timestamp": payload["timestamp"],
        "data": {"webhookId": webhook_id},
    }
