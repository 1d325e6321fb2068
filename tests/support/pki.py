"""Certificates for tests: one authority per process."""

from collections.abc import Iterator, Mapping
from functools import lru_cache

from callward_common.grpc.tls import TlsIdentity
from callward_embedded.authority import CertificateAuthority


class Identities(Mapping[str, TlsIdentity]):
    """Gives each component a certificate of one authority, the same one each time it is asked for."""

    def __init__(self) -> None:
        self._authority = CertificateAuthority()
        self._issued: dict[str, TlsIdentity] = {}

    def __getitem__(self, component: str) -> TlsIdentity:
        if component not in self._issued:
            self._issued[component] = self._authority.issue(component)
        return self._issued[component]

    def __iter__(self) -> Iterator[str]:
        return iter(self._issued)

    def __len__(self) -> int:
        return len(self._issued)

    @property
    def trust_bundle(self) -> bytes:
        """The authority's certificate, PEM."""
        return self._authority.trust_bundle


@lru_cache(maxsize=1)
def identities() -> Identities:
    """Returns the identities of this process: `identities()["consent"]` is a TlsIdentity."""
    return Identities()


def stranger() -> Identities:
    """Returns identities of another authority, which nobody here trusts."""
    return Identities()
