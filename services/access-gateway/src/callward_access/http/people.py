"""Who asks at the door for people: a bearer token, or the cookie of one listening session that carries it sealed."""

import base64
import secrets
from collections.abc import Iterable, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from starlette.requests import Request

from callward_access.app.guard import Guard
from callward_access.ports import Denied, Person
from callward_common.errors import Unauthenticated
from callward_common.http.requests import bearer
from callward_common.tokens import MfaRequired, Principal, TokenVerifier

NONCE_SIZE = 12
_PREFIX = "__Host-callward-"
#: More cookies than this would outgrow what servers take of headers: the oldest sessions' are forgotten.
MAX_COOKIES = 8


class ListeningCookies:
    """Seals a token into the cookie of one session: `__Host-`, so that no other host or path can set it."""

    def __init__(self, key: bytes | None) -> None:
        self._cipher = AESGCM(key or secrets.token_bytes(32))

    @staticmethod
    def name(session_id: str) -> str:
        """Return the name of a session's cookie."""
        return f"{_PREFIX}{session_id}"

    def seal(self, session_id: str, token: str) -> str:
        """Return the cookie's value."""
        nonce = secrets.token_bytes(NONCE_SIZE)
        sealed = nonce + self._cipher.encrypt(nonce, token.encode(), session_id.encode())
        # As short as text can be: browsers drop a cookie of more than 4,096 bytes.
        return base64.urlsafe_b64encode(sealed).decode().rstrip("=")

    def open(self, session_id: str, value: str) -> str | None:
        """Return the token, or None for a value that was not sealed here for this session."""
        try:
            raw = base64.b64decode(value + "=" * (-len(value) % 4), b"-_", validate=True)
            return self._cipher.decrypt(raw[:NONCE_SIZE], raw[NONCE_SIZE:], session_id.encode()).decode()
        except (ValueError, InvalidTag):
            return None

    @staticmethod
    def surplus(names: Iterable[str]) -> Sequence[str]:
        """Return the cookies to forget before another is given: ids sort by time, so the oldest come first."""
        held = sorted(name for name in names if name.startswith(_PREFIX))
        return held[: max(0, len(held) - MAX_COOKIES + 1)]


class People:
    """Identifies people; a second factor is demanded for everything here."""

    def __init__(
        self, verifier: TokenVerifier, guard: Guard, cookies: ListeningCookies, *, audience: str
    ) -> None:
        self._verifier = verifier
        self._guard = guard
        self._cookies = cookies
        self._audience = audience

    async def identify(self, request: Request, action: str, authorization: str | None = None) -> Person:
        """Return who asks. Raises the token errors, and MfaRequired, which is put on record."""
        try:
            principal = await self._verifier.verify(
                authorization or bearer(request), audiences=[self._audience], kind="people"
            )
        except Unauthenticated as error:
            raise await self._guard.refused_stranger(action, error) from None
        person = _person(principal)
        try:
            principal.demand_mfa()
        except MfaRequired as error:
            raise await self._guard.refused(person, Denied(person.actor, action, error.type), error) from None
        return person

    async def identify_listener(self, request: Request, session_id: str, action: str) -> Person:
        """Return who asks for a session's media: by bearer token, or else by the session's own cookie."""
        value = request.cookies.get(self._cookies.name(session_id))
        if bearer(request) is None and value is not None:
            token = self._cookies.open(session_id, value)
            if token is not None:
                return await self.identify(request, action, f"Bearer {token}")
        return await self.identify(request, action)


def _person(principal: Principal) -> Person:
    return Person(
        tenant_id=principal.tenant_id,
        subject=principal.actor.id,
        issuer=principal.actor.issuer,
        roles=principal.roles,
        mfa=principal.mfa,
        actor=principal.actor,
        token=principal.token,
    )
