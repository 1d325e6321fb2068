"""Callward as its callers see it: three doors, an issuer of tokens, and accounts. Nothing here knows where it runs."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from callward_common.clock import Clock, SystemClock
from callward_embedded.accounts import STEP, one_time_code

HOSPITAL, CLINIC = "bayview-hospital", "lakeside-clinic"
#: Listening is paced: a whole recording may take longer than its bytes.
TIMEOUT = 60.0
PROBLEM = "urn:callward:problem:"


@dataclass(frozen=True)
class Doors:
    """The base URLs of the doors and of the issuers."""

    ingest: str
    access: str
    audit: str
    issuers: str


class Client:
    """Calls one door with one token, or with none."""

    def __init__(self, http: httpx.Client, base: str, token: str | None) -> None:
        """`token` None: no Authorization header."""
        self.http, self.base, self.token = http, base, token

    def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **content: Any
    ) -> httpx.Response:
        """Sends a request; `content` is httpx's `json`, `content` or `params`."""
        own = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, self.base + path, headers={**own, **(headers or {})}, **content)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """GET."""
        return self.request("GET", path, **more)

    def head(self, path: str, **more: Any) -> httpx.Response:
        """HEAD."""
        return self.request("HEAD", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """POST."""
        return self.request("POST", path, **more)

    def delete(self, path: str, **more: Any) -> httpx.Response:
        """DELETE."""
        return self.request("DELETE", path, **more)

    def having(self, token: str | None) -> "Client":
        """The same door with another token."""
        return Client(self.http, self.base, token)


class _Moment(SystemClock):
    """A clock some seconds before or after the machine's."""

    def __init__(self, offset: int) -> None:
        self._offset = timedelta(seconds=offset)

    def now(self) -> Any:
        return super().now() + self._offset


@dataclass
class Callward:
    """The doors, and clients for people and machines of each tenant; their tokens are asked for once."""

    doors: Doors
    accounts: Mapping[str, str] = field(repr=False)
    http: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False, timeout=TIMEOUT))
    _tokens: dict[tuple[str, str, str], str] = field(default_factory=dict, repr=False)

    @classmethod
    def at(cls, doors: Doors, accounts: Path) -> "Callward":
        """`accounts`: the file with the secrets of the demo accounts."""
        return cls(doors, json.loads(accounts.read_bytes()))

    def call_platform(self, tenant: str = HOSPITAL) -> Client:
        """The machine that posts calls and recordings."""
        token = self.machine_token(tenant, "call-platform", "callward-ingest")
        return Client(self.http, self.doors.ingest, token)

    def siem(self, tenant: str = HOSPITAL) -> Client:
        """The machine that pulls events."""
        return Client(self.http, self.doors.audit, self.machine_token(tenant, "siem", "callward-audit"))

    def person(self, tenant: str = HOSPITAL, name: str = "supervisor") -> Client:
        """Somebody with a second factor, at the door for people."""
        return Client(self.http, self.doors.access, self.person_token(tenant, name, "callward-access"))

    def auditor(self, tenant: str = HOSPITAL) -> Client:
        """An auditor with a second factor, at audit's door."""
        return Client(self.http, self.doors.audit, self.person_token(tenant, "auditor", "callward-audit"))

    def nobody(self, door: str) -> Client:
        """Without a token; `door` is a base URL."""
        return Client(self.http, door, None)

    def machine_token(self, tenant: str, name: str, audience: str) -> str:
        """A token by client credentials."""
        form = {
            "grant_type": "client_credentials",
            "client_id": name,
            "client_secret": self.accounts[f"{tenant}/machines/{name}"],
            "audience": audience,
        }
        return self._cached((tenant, name, audience), f"{tenant}/machines", [form])

    def person_token(self, tenant: str, name: str, audience: str) -> str:
        """A token of a sign-in with a one-time code. Each code counts once: earlier steps are tried first."""
        forms = [
            {
                **self._person_form(tenant, name, audience),
                "otp": one_time_code(self.accounts[f"{tenant}/people/{name}/totp"], _clock_at(offset)),
            }
            for offset in (-STEP, 0, STEP)
        ]
        return self._cached((tenant, name, audience), f"{tenant}/people", forms)

    def single_factor_token(self, tenant: str, name: str, audience: str) -> str:
        """A token of a sign-in with a password alone."""
        form = self._person_form(tenant, name, audience)
        return self._cached((tenant, f"{name} without a code", audience), f"{tenant}/people", [form])

    @property
    def issued(self) -> list[str]:
        """Every token that was asked for so far."""
        return list(self._tokens.values())

    def _person_form(self, tenant: str, name: str, audience: str) -> dict[str, str]:
        password = self.accounts[f"{tenant}/people/{name}/password"]
        return {"grant_type": "password", "username": name, "password": password, "audience": audience}

    def _cached(self, known_as: tuple[str, str, str], issuer: str, forms: list[dict[str, str]]) -> str:
        if known_as not in self._tokens:
            answers = (self.http.post(f"{self.doors.issuers}/{issuer}/token", data=form) for form in forms)
            given = next((answer for answer in answers if answer.status_code == 200), None)
            assert given is not None, f"no token for {known_as}"
            self._tokens[known_as] = str(given.json()["access_token"])
        return self._tokens[known_as]


def _clock_at(offset: int) -> Clock:
    return _Moment(offset)


def problem(answer: httpx.Response) -> str:
    """Returns the last part of a problem's type, after checking that it is a whole problem document (RFC 9457)."""
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    document = answer.json()
    assert document["status"] == answer.status_code, document
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["type"].startswith(PROBLEM), document
    return str(document["type"].removeprefix(PROBLEM))


def saw(answer: httpx.Response) -> tuple[int, str]:
    """Returns the status and the problem's type."""
    return answer.status_code, problem(answer)
