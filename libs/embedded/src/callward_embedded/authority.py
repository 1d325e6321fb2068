"""A certificate authority in memory: its key dies with the process, and so does every certificate it issued."""

import re
from datetime import timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from callward_common.clock import Clock, SystemClock
from callward_common.grpc.tls import TlsIdentity, server_name

#: How long a certificate is valid. Longer than a `callward dev` is left running, since in one process nobody renews:
#: a new start issues new ones. In Kubernetes cert-manager renews them within hours.
VALIDITY: Final = timedelta(days=30)
#: How far clocks may differ.
_SKEW: Final = timedelta(minutes=5)
_COMPONENT = re.compile(r"[a-z][a-z-]{0,62}")


class CertificateAuthority:
    """Issues certificates for mutual TLS between components: EC P-256, name in a SAN URI (SPIFFE X.509-SVID)."""

    def __init__(self, clock: Clock | None = None) -> None:
        """Makes a new key and its self-signed certificate. `clock` (default: the machine's) sets validities."""
        self._clock = clock or SystemClock()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Callward embedded authority")])
        builder = self._builder(self._name, self._key.public_key(), VALIDITY + _SKEW)
        self._certificate = (
            builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def trust_bundle(self) -> bytes:
        """The authority's certificate, PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, component: str, valid_for: timedelta = VALIDITY) -> TlsIdentity:
        """Returns a new certificate and key of `component`, for both ends of a connection."""
        if _COMPONENT.fullmatch(component) is None:
            raise ValueError(
                "a component's name is of a-z and -, begins with a letter and has at most 63 characters"
            )
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, component)])
        names = [
            x509.UniformResourceIdentifier(f"spiffe://callward/{component}"),
            x509.DNSName(server_name(component)),
        ]
        certificate = (
            self._builder(subject, key.public_key(), valid_for)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return TlsIdentity(
            certificate_chain=certificate.public_bytes(serialization.Encoding.PEM),
            private_key=key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
            trust_bundle=self.trust_bundle,
        )

    def _builder(
        self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, valid_for: timedelta
    ) -> x509.CertificateBuilder:
        now = self._clock.now()
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _SKEW)
            .not_valid_after(now + valid_for)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
