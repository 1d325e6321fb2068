"""The ports to tenants, tokens and the store of wraps."""

from typing import Protocol

from callward_common.identity import Actor


class Person(Protocol):
    """Whom a verified token stands for."""

    @property
    def tenant_id(self) -> str:
        """The tenant that follows from the token's issuer and audience."""
        ...

    @property
    def actor(self) -> Actor:
        """The person."""
        ...

    def demand_mfa(self) -> None:
        """Raises MfaRequired unless the sign-in was by several factors."""
        ...


class People(Protocol):
    """Verifies people's tokens."""

    async def verify(self, token: str) -> Person:
        """Returns the person, or raises an error of category unauthenticated with a stable type."""
        ...


class Tenants(Protocol):
    """Knows the tenants."""

    async def is_active(self, tenant_id: str) -> bool:
        """Says whether the tenant is known here and not suspended."""
        ...


class Wraps(Protocol):
    """Wrap objects, in a store of key-management's own."""

    async def keep(self, key: str, content: bytes) -> str:
        """Makes `content` durable under `key` and returns its version; never overwrites, reuses an equal one."""
        ...
