"""The media path is useless without its own cookie, and a cookie without its own session and process."""

import re
from datetime import timedelta
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any

import httpx
import pytest

from callward_access.http.people import MAX_COOKIES
from callward_access.settings import AccessSettings
from callward_common.ids import new_id
from tests.integration.access.world import CONTENT, World, world
from tests.support.postgres import PostgresServer


def cookie_of(opened: httpx.Response) -> tuple[str, str]:
    (header,) = opened.headers.get_list("set-cookie")
    name, _, rest = header.partition("=")
    return name, rest.partition(";")[0]


def sent(*cookies: tuple[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies)}


async def test_the_cookie_is_bound_to_host_and_site_and_opens_its_media(access: World) -> None:
    opened = await access.opened(await access.add())
    (header,) = opened.headers.get_list("set-cookie")
    name, _ = cookie_of(opened)
    assert name == f"__Host-callward-{opened.json()['sessionId']}"
    attributes = {part.strip().lower() for part in header.split(";")[1:]}
    assert {"secure", "httponly", "path=/", "samesite=strict", "max-age=3600"} <= attributes
    assert not any(part.startswith("domain") for part in attributes)
    assert access.bearer()["Authorization"].split(".")[1] not in header
    answer = await access.call("GET", opened.json()["mediaPath"], sent(cookie_of(opened)))
    assert (answer.status_code, answer.content == CONTENT) == (200, True)
    # The token that key-management checks is the one behind the cookie.
    assert access.opener.seen[0].person_token.count(".") == 2


async def test_the_path_alone_opens_nothing(access: World) -> None:
    opened = await access.opened(await access.add())
    answer = await access.call("GET", opened.json()["mediaPath"], {})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:callward:problem:token-missing")


async def test_the_cookie_of_another_session_or_name_opens_nothing(access: World) -> None:
    recording = await access.add()
    first, second = await access.opened(recording), await access.opened(recording)
    name, value = cookie_of(first)
    for cookies in (
        sent(cookie_of(second)),
        sent((name, cookie_of(second)[1])),
        sent(("callward", value)),
        sent((name, value[:-2] + ("aa" if value[-2:] != "aa" else "bb"))),
        sent((name, "")),
    ):
        answer = await access.call("GET", first.json()["mediaPath"], cookies)
        assert answer.status_code == 401, cookies
    assert access.opener.seen == []


async def test_the_cookie_does_nothing_but_its_session(access: World) -> None:
    recording = await access.add()
    cookie = sent(cookie_of(await access.opened(recording)))
    base = f"/v1/recordings/{recording.summary.recording_id}"
    attempts: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", "/v1/recordings", {}),
        ("GET", base, {}),
        ("POST", f"{base}/views", {"json": {"purpose": "TREAT"}}),
        ("POST", f"{base}/listening-sessions", {"json": {"purpose": "TREAT"}}),
        ("GET", f"/v1/listening-sessions/{new_id()}/media", {}),
    ]
    for method, path, more in attempts:
        answer = await access.call(method, path, cookie, **more)
        assert (answer.status_code, answer.json()["type"]) == (401, "urn:callward:problem:token-missing")


async def test_a_bearer_token_wins_over_a_cookie(access: World) -> None:
    opened = await access.opened(await access.add())
    headers = access.bearer(subject="olga") | sent(cookie_of(opened))
    answer = await access.call("GET", opened.json()["mediaPath"], headers)
    assert answer.status_code == 404


async def test_a_token_that_has_expired_is_expired_in_its_cookie_as_well(access: World) -> None:
    opened = await access.opened(
        await access.add(), **access.bearer(exp=int(access.clock.now().timestamp()) - 1)
    )
    access.clock.advance(timedelta(seconds=60))
    answer = await access.call("GET", opened.json()["mediaPath"], sent(cookie_of(opened)))
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:callward:problem:token-expired")


async def test_ending_the_session_takes_the_cookie_back(access: World) -> None:
    opened = await access.opened(await access.add())
    path = f"/v1/listening-sessions/{opened.json()['sessionId']}"
    ended = await access.call("DELETE", path, sent(cookie_of(opened)))
    assert ended.status_code == 204
    morsel = SimpleCookie(ended.headers["set-cookie"])[cookie_of(opened)[0]]
    assert (morsel["max-age"], morsel["path"], morsel["secure"]) == ("0", "/", True)
    answer = await access.call("GET", opened.json()["mediaPath"], sent(cookie_of(opened)))
    assert answer.status_code == 404


async def test_the_oldest_cookies_are_taken_back_before_headers_grow_too_large(access: World) -> None:
    recording = await access.add()
    held = [cookie_of(await access.opened(recording)) for _ in range(MAX_COOKIES)]
    opened = await access.opened(recording, **sent(*held, ("other", "kept")))
    given = opened.headers.get_list("set-cookie")
    taken = [header for header in given if re.search(r"max-age=0", header, re.IGNORECASE)]
    assert [header.partition("=")[0] for header in taken] == [held[0][0]]
    assert len(given) == 2


@pytest.mark.parametrize(("key", "works"), [(None, False), ("5a" * 32, True)])
async def test_a_cookie_of_another_process_works_only_under_a_shared_key(
    postgres: PostgresServer, tmp_path: Path, key: str | None, works: bool
) -> None:
    async with world(postgres, tmp_path / "one", AccessSettings(cookie_key=key), 5) as access:
        opened = await access.opened(await access.add())
        transport = httpx.ASGITransport(await access.rebuilt(AccessSettings(cookie_key=key)))
        async with httpx.AsyncClient(transport=transport, base_url="https://access") as client:
            answer = await client.get(
                opened.json()["mediaPath"], headers=sent(cookie_of(opened)) | {"Range": "bytes=0-9"}
            )
        assert answer.status_code == (206 if works else 401)
