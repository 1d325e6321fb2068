"""The demo accounts: their secrets, made at the first start and kept, and the check of a sign-in."""

import base64
import json
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor import InvalidToken
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from callward_common.clock import Clock
from callward_embedded.demo import DEMO_CLIENTS, DEMO_USERS
from callward_embedded.files import private_folder, write_durably
from callward_embedded.passwords import PasswordFile

#: RFC 6238: the time step in seconds, digits of a code, and steps that a code may be early or late.
STEP: Final = 30
_DIGITS, _DRIFT = 6, 1


@dataclass(frozen=True, slots=True)
class Credentials:
    """What an account signs in with; `totp_secret` (base32) is a person's, for an authenticator or `one_time_code`."""

    tenant_id: str
    name: str
    secret: str = field(repr=False)
    totp_secret: str | None = field(default=None, repr=False)
    roles: frozenset[str] = frozenset()
    scopes: frozenset[str] = frozenset()


class SignInRefused(Exception):
    """The name, password, secret or code is not right. Which of them is not told."""


class Accounts:
    """People and machine clients of each tenant."""

    def __init__(self, folder: Path, tenants: Collection[str], clock: Clock) -> None:
        """Reads the secrets in `folder`, and makes those that are missing."""
        private_folder(folder)
        secrets_of, self._clock, self._used_file = (
            PasswordFile(folder / "accounts.json"),
            clock,
            folder / "codes.json",
        )
        self.people = {
            (tenant, name): Credentials(
                tenant_id=tenant,
                name=name,
                secret=secrets_of.get(f"{tenant}/people/{name}/password"),
                totp_secret=secrets_of.get(f"{tenant}/people/{name}/totp", make=_totp_secret),
                roles=roles,
            )
            for tenant in tenants
            for name, roles in DEMO_USERS.items()
        }
        self.machines = {
            (tenant, name): Credentials(
                tenant_id=tenant, name=name, secret=secrets_of.get(f"{tenant}/machines/{name}"), scopes=scopes
            )
            for tenant in tenants
            for name, scopes in DEMO_CLIENTS.items()
        }
        self._used: dict[str, int] = (
            json.loads(self._used_file.read_bytes()) if self._used_file.exists() else {}
        )

    def person(
        self, tenant: str, name: str, password: str, code: str | None
    ) -> tuple[Credentials, list[str]]:
        """Returns a person and the methods of the sign-in (RFC 8176). Raises SignInRefused, also for a code replayed.

        A wrong code refuses the sign-in altogether; none gives one with a single factor.
        """
        account = _demand(self.people, (tenant, name), password)
        if code is None:
            return account, ["pwd"]
        self._use(account, code)
        return account, ["pwd", "otp"]

    def machine(self, tenant: str, name: str, secret: str) -> Credentials:
        """Returns a machine client. Raises SignInRefused."""
        return _demand(self.machines, (tenant, name), secret)

    def _use(self, account: Credentials, code: str) -> None:
        """Accepts a code of this step or its neighbours, each step at most once (RFC 6238 section 5.2)."""
        who, step_now = f"{account.tenant_id}/{account.name}", int(self._clock.now().timestamp()) // STEP
        for step in range(step_now - _DRIFT, step_now + _DRIFT + 1):
            if step > self._used.get(who, -1) and _matches(account, code, step):
                self._used[who] = step
                write_durably(self._used_file, json.dumps(self._used).encode())
                return
        raise SignInRefused


def one_time_code(totp_secret: str, clock: Clock) -> str:
    """Returns the code that an authenticator with this base32 secret shows now. Each is accepted once."""
    return _totp(totp_secret).generate(int(clock.now().timestamp())).decode()


def _matches(account: Credentials, code: str, step: int) -> bool:
    assert account.totp_secret is not None
    try:
        _totp(account.totp_secret).verify(code.encode(), step * STEP)
    except InvalidToken:
        return False
    return True


def _totp(totp_secret: str) -> TOTP:
    return TOTP(base64.b32decode(totp_secret), _DIGITS, SHA1(), STEP)  # noqa: S303  # what authenticators speak


def _totp_secret() -> str:
    return base64.b32encode(secrets.token_bytes(20)).decode()


def _demand(
    accounts: Mapping[tuple[str, str], Credentials], who: tuple[str, str], secret: str
) -> Credentials:
    account = accounts.get(who)
    # An unknown name takes as long as a wrong secret.
    right = secrets.compare_digest((account.secret if account else "").encode(), secret.encode())
    if account is None or not right:
        raise SignInRefused
    return account
