"""Which component is calling: known from its certificate, kept for the length of one call."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

from callward_common.errors import Unauthenticated

_SPIFFE = re.compile(r"spiffe://callward/([a-z][a-z-]{0,62})")
_caller: ContextVar[str | None] = ContextVar("callward_caller", default=None)


def current_caller() -> str:
    """Returns the name of the component whose gRPC call is being answered; raises Unauthenticated outside one."""
    caller = _caller.get()
    if caller is None:
        raise Unauthenticated("No component is calling.")
    return caller


@contextmanager
def calling_as(component: str) -> Iterator[None]:
    """Sets the caller for the length of the block. The server does this for each call; unit tests may."""
    token = _caller.set(component)
    try:
        yield
    finally:
        _caller.reset(token)


def component_of(auth_context: Mapping[str, Iterable[bytes]]) -> str:
    """Gives the component of a peer's certificate: exactly one SPIFFE id of our trust domain, and no other URI.

    Raises Unauthenticated otherwise (SPIFFE X.509-SVID section 2: exactly one URI SAN).
    """
    names = [name.decode(errors="replace") for name in auth_context.get("x509_subject_alternative_name", ())]
    uris = [name for name in names if "://" in name]
    match = _SPIFFE.fullmatch(uris[0]) if len(uris) == 1 else None
    if match is None:
        raise Unauthenticated("The certificate names no component.")
    return match.group(1)
