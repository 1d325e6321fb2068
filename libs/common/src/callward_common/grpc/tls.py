"""The certificate of a component, and what follows from it: everything on gRPC is mutual TLS."""

from dataclasses import dataclass, field

import grpc
from cryptography import x509

SPIFFE_PREFIX = "spiffe://callward/"


@dataclass(frozen=True, slots=True)
class TlsIdentity:
    """PEM bytes: the chain (leaf first), its key, and the roots that vouch for the others.

    The leaf has the SAN URI spiffe://callward/<component> and the SAN DNS <component>.callward.internal.
    """

    certificate_chain: bytes
    private_key: bytes = field(repr=False)
    trust_bundle: bytes

    @property
    def component(self) -> str:
        """The component whose SPIFFE id the leaf holds. Raises ValueError when it is not exactly one."""
        leaf = x509.load_pem_x509_certificate(self.certificate_chain)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        if len(uris) != 1 or not uris[0].startswith(SPIFFE_PREFIX):
            raise ValueError("the certificate has no SPIFFE id of Callward")
        return uris[0].removeprefix(SPIFFE_PREFIX)

    def server_credentials(self) -> grpc.ServerCredentials:
        """Gives credentials that demand a certificate of every client."""
        pair = (self.private_key, self.certificate_chain)
        return grpc.ssl_server_credentials([pair], self.trust_bundle, require_client_auth=True)

    def channel_credentials(self) -> grpc.ChannelCredentials:
        """Gives credentials that show this certificate and trust only the bundle."""
        return grpc.ssl_channel_credentials(self.trust_bundle, self.private_key, self.certificate_chain)


def server_name(component: str) -> str:
    """Gives the DNS name in a component's certificate."""
    return f"{component}.callward.internal"
