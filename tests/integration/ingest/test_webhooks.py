"""Webhooks through the door: registering, changing, secrets that are shown once, lists, replays, refusals."""

import asyncio
from collections.abc import Callable
from typing import Any

import asyncpg
import httpx
import pytest
from standardwebhooks import Webhook as Verifier

from callward_common.errors import Unavailable
from callward_common.ids import new_id
from callward_ingest.settings import IngestSettings
from tests.integration.ingest.webhook_receiver import answers, receiver
from tests.integration.ingest.world import World
from tests.support.tenants import MERCY, OTHER

LOCAL = [{"webhook_loopback": True, "webhook_max": 3}]
SCOPE = "webhooks:manage"
URL = "http://127.0.0.1:9/hook?token=planted-token"
NEW = {"url": URL, "events": ["recording.sealed", "upload.abandoned"], "description": "Ward system"}
local = pytest.mark.parametrize("settings", LOCAL, indirect=True)


class Door:
    """The door as a machine with the scope sees it."""

    def __init__(self, ingest: World) -> None:
        self._ingest = ingest

    async def __call__(
        self, method: str, path: str = "", body: Any = None, *, other: bool = False, **headers: str
    ) -> httpx.Response:
        issuer = self._ingest.other if other else None
        content = {} if body is None else {"json": body}
        return await self._ingest.client.request(
            method,
            f"/v1/webhooks{path}",
            headers=self._ingest.bearer(issuer, scope=SCOPE)
            | {name.replace("_", "-"): value for name, value in headers.items()},
            **content,
        )

    async def registered(self, **changes: Any) -> dict[str, Any]:
        answer = await self("POST", body=NEW | changes)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made


@pytest.fixture
def door(ingest: World) -> Door:
    return Door(ingest)


def kind(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["type"].removeprefix("urn:callward:problem:")


@local
async def test_a_webhook_from_its_registration_to_its_end(ingest: World, door: Door) -> None:
    answer = await door("POST", body=NEW)
    made = answer.json()
    where = f"/{made['webhookId']}"
    assert answer.headers["location"] == f"/v1/webhooks{where}"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    shown = (await door("GET", where)).json()
    assert shown == made
    assert shown["active"]
    assert (await door("GET")).json() == {"webhooks": [made], "nextCursor": None}
    changed = await door("PATCH", where, {"events": ["recording.refused"], "description": ""})
    assert changed.json() == made | {"events": ["recording.refused"], "description": ""}
    rotated = (await door("POST", f"{where}/rotate-secret")).json()
    assert rotated["secret"] != secret
    assert (rotated["secretVersion"], rotated["previousSecretUntil"]) == (2, "2026-11-25T09:00:00.000Z")
    assert (await door("DELETE", where)).status_code == 204
    for method, path in (("GET", where), ("DELETE", where), ("GET", f"{where}/deliveries")):
        assert kind(await door(method, path)) == (404, "webhook-not-found")
    assert [event for event, _, _ in await ingest.events()] == [
        "WebhookRegistered",
        "WebhookChanged",
        "WebhookChanged",
        "WebhookRemoved",
    ]


@local
async def test_no_secret_and_no_url_is_where_it_must_not_be(
    ingest: World, door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    made = await door.registered()
    key = await door("POST", body=NEW, Idempotency_Key="register-1")
    rotated = await door("POST", f"/{made['webhookId']}/rotate-secret", Idempotency_Key="rotate-1")
    secrets = [made["secret"], key.json()["secret"], rotated.json()["secret"]]
    connection = await asyncpg.connect(ingest.owner_url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
        for table in tables:
            rows = str(await connection.fetch(f"SELECT t::text FROM {table['tablename']} AS t"))
            assert not any(secret.removeprefix("whsec_") in rows for secret in secrets), table["tablename"]
    finally:
        await connection.close()
    assert not any(b"planted-token" in data for _, _, data in await ingest.events())
    assert not any(secret in caplog.text for secret in [*secrets, "planted-token"])


@local
async def test_a_retry_gets_the_same_answer_with_the_same_secret(door: Door) -> None:
    first = await door("POST", body=NEW, Idempotency_Key="register-1")
    again = await door("POST", body=NEW, Idempotency_Key="register-1")
    assert again.json() == first.json()
    assert again.headers["idempotent-replayed"] == "true"
    other = await door("POST", body=NEW | {"description": "other"}, Idempotency_Key="register-1")
    assert kind(other) == (409, "idempotency-key-reused")
    assert len((await door("GET")).json()["webhooks"]) == 1
    where = f"/{first.json()['webhookId']}"
    rotations = [await door("POST", f"{where}/rotate-secret", Idempotency_Key="rotate-1") for _ in range(2)]
    assert rotations[0].json() == rotations[1].json()
    assert (await door("GET", where)).json()["secretVersion"] == 2
    removals = [await door("DELETE", where, Idempotency_Key="remove-1") for _ in range(2)]
    assert [each.status_code for each in removals] == [204, 204]


@local
async def test_a_change_that_changes_nothing_is_not_on_record(ingest: World, door: Door) -> None:
    made = await door.registered()
    same = await door("PATCH", f"/{made['webhookId']}", {"active": True, "url": URL})
    assert same.status_code == 200
    assert [event for event, _, _ in await ingest.events()] == ["WebhookRegistered"]


@local
async def test_a_tenant_has_so_many_and_lists_are_paged(ingest: World, door: Door) -> None:
    made = [await door.registered() for _ in range(2)]
    many = await asyncio.gather(*(door("POST", body=NEW) for _ in range(4)))
    assert sorted(each.status_code for each in many) == [201, 409, 409, 409]
    assert {kind(each) for each in many if each.status_code == 409} == {(409, "too-many-webhooks")}
    page = (await door("GET", "?pageSize=2")).json()
    assert len(page["webhooks"]) == 2
    rest = (await door("GET", f"?pageSize=2&cursor={page['nextCursor']}")).json()
    assert [each["webhookId"] for each in rest["webhooks"]] == [made[0]["webhookId"]]
    assert rest["nextCursor"] is None
    assert (await door("DELETE", f"/{made[0]['webhookId']}")).status_code == 204
    await door.registered()


async def test_only_https_to_public_hosts_is_registered(door: Door) -> None:
    for url, reason in (
        ("http://127.0.0.1:9/hook", "not-https"),
        ("http://example.com/", "not-https"),
        ("https://169.254.169.254/latest/meta-data/", "host"),
        ("https://[fd00:ec2::254]/", "host"),
        ("https://localhost/", "host"),
        ("https://no-such-host.invalid/", "host"),
        ("https://u:p@example.com/", "userinfo"),
        ("https://example.com:6379/", "port"),
        ("https://example.com/#x", "fragment"),
    ):
        answer = await door("POST", body=NEW | {"url": url})
        assert kind(answer) == (400, "webhook-url-refused"), url
        assert answer.json()["reason"] == reason, url
        assert url not in answer.text
    assert (await door("GET")).json()["webhooks"] == []


@local
async def test_a_change_of_the_url_is_checked_too(door: Door) -> None:
    made = await door.registered()
    answer = await door("PATCH", f"/{made['webhookId']}", {"url": "https://169.254.169.254/"})
    assert kind(answer) == (400, "webhook-url-refused")
    assert (await door("GET", f"/{made['webhookId']}")).json()["url"] == URL


@local
async def test_bodies_that_are_refused(door: Door) -> None:
    made = await door.registered()
    where = f"/{made['webhookId']}"
    wrong: list[tuple[str, str, Any]] = [
        *(("POST", "", {**NEW, **each}) for each in _WRONG),
        *(("PATCH", where, each) for each in _WRONG_CHANGES),
        *(
            ("POST", f"{where}/replay", each)
            for each in (
                {},
                {"state": "delivered", "since": "2026-11-24T09:00:00Z"},
                {"state": "dead", "since": "yesterday"},
            )
        ),
    ]
    for method, path, body in wrong:
        assert kind(await door(method, path, body)) == (400, "invalid-request"), (method, path, body)


_WRONG_CHANGES: list[dict[str, Any]] = [
    {},
    {"active": None},
    {"active": "yes"},
    {"events": []},
    {"id": 1},
]
_WRONG: list[dict[str, Any]] = [
    {"url": 1},
    {"url": ""},
    {"url": None},
    {"events": []},
    {"events": ["call.opened"]},
    {"events": "recording.sealed"},
    {"description": "a\nb"},
    {"description": "x" * 201},
    {"secret": "whsec_mine"},
]


@local
async def test_another_tenants_webhook_does_not_exist(ingest: World, door: Door) -> None:
    made = await door.registered()
    where, delivery = f"/{made['webhookId']}", new_id()
    calls: list[tuple[str, str, Any]] = [
        ("GET", where, None),
        ("PATCH", where, {"active": False}),
        ("POST", f"{where}/rotate-secret", None),
        ("POST", f"{where}/test", None),
        ("GET", f"{where}/deliveries", None),
        ("POST", f"{where}/deliveries/{delivery}/replay", None),
        ("POST", f"{where}/replay", {"state": "dead", "since": "2026-11-24T09:00:00Z"}),
        ("DELETE", where, None),
    ]
    for method, path, body in calls:
        assert kind(await door(method, path, body, other=True)) == (404, "webhook-not-found"), path
    assert (await door("GET", other=True)).json()["webhooks"] == []
    assert (await door("GET", where)).json()["active"]
    assert await ingest.rows("SELECT 1 FROM webhooks", tenant=OTHER.tenant_id) == []


@local
async def test_the_scope_is_demanded(ingest: World, door: Door) -> None:
    made = await door.registered()
    for path in ("/v1/webhooks", f"/v1/webhooks/{made['webhookId']}"):
        answer = await ingest.client.get(path, headers=ingest.bearer(scope="calls:write recordings:write"))
        assert kind(answer) == (403, "scope-missing")


@local
async def test_what_is_inactive_is_neither_tested_nor_replayed(door: Door) -> None:
    made = await door.registered()
    where = f"/{made['webhookId']}"
    assert (await door("PATCH", where, {"active": False})).json()["active"] is False
    for path, body in (
        ("/test", None),
        ("/replay", {"state": "dead", "since": "2026-11-24T09:00:00Z"}),
        (f"/deliveries/{new_id()}/replay", None),
    ):
        assert kind(await door("POST", f"{where}{path}", body)) == (409, "webhook-disabled")
    assert (await door("PATCH", where, {"active": True})).json()["active"] is True
    assert kind(await door("POST", f"{where}/deliveries/{new_id()}/replay")) == (404, "delivery-not-found")


@local
async def test_without_key_management_there_is_no_webhook_without_a_secret(ingest: World, door: Door) -> None:
    ingest.keys.switch.failing["GetWebhookSecret"] = Unavailable("away")
    assert (await door("POST", body=NEW)).status_code == 503
    assert (await door("GET")).json()["webhooks"] == []


async def delivered(door: Door, where: str, wanted: Callable[[list[Any]], bool]) -> list[Any]:
    """Waits until the deliveries of a webhook are as wanted."""
    async with asyncio.timeout(20):
        while True:
            found: list[Any] = (await door("GET", f"{where}/deliveries")).json()["deliveries"]
            if wanted(found):
                return found
            await asyncio.sleep(0.02)  # between two looks


@local
async def test_an_upload_is_told_of_and_a_test_is_sent(
    ingest: World, door: Door, settings: IngestSettings
) -> None:
    sender = next(each for each in ingest.service.background if each.name == "webhook-sender")
    stop = asyncio.Event()
    async with receiver(answers(500), answers(204)) as there:
        made = await door.registered(url=there.url(), events=["recording.sealed", "recording.refused"])
        where = f"/{made['webhookId']}"
        running = asyncio.create_task(sender.run(stop))
        try:
            ping = (await door("POST", f"{where}/test")).json()
            await delivered(door, where, lambda found: found[0]["attempts"] == 1)
            refused = await ingest.upload(await ingest.opened(permitted=False), key="refused-1")
            assert refused.status_code == 403
            taken = (await ingest.upload(await ingest.opened())).json()
            found = await delivered(
                door,
                where,
                lambda found: [each["state"] for each in found] == ["delivered"] * 2 + ["pending"],
            )
            pending = (await door("GET", f"{where}/deliveries?state=pending")).json()["deliveries"]
            assert [each["deliveryId"] for each in pending] == [ping["deliveryId"]]
            assert (pending[0]["lastStatus"], pending[0]["lastError"]) == (500, "status")
            again = await door("POST", f"{where}/deliveries/{ping['deliveryId']}/replay")
            assert again.status_code == 202
            await delivered(door, where, lambda found: found[-1]["state"] == "delivered")
        finally:
            stop.set()
            await running
    assert [each["type"] for each in found] == ["recording.sealed", "recording.refused", "webhook.ping"]
    assert found[0]["eventId"] == taken["eventId"], "the receiver's webhook-id is the audit log's event id"
    sealed = next(each for each in there.requests if b"recording.sealed" in each.body)
    assert taken["recordingId"].encode() in sealed.body
    expected = Verifier(made["secret"]).sign(sealed.webhook_id, ingest.clock.now(), sealed.body.decode())
    assert sealed.headers["webhook-signature"] == expected
