"""Certificates for these tests, right ones and wrong ones: `callward_embedded` issues only right ones."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from callward_common.grpc.tls import TlsIdentity

_START = datetime(2020, 1, 1, tzinfo=UTC)
_YEARS = timedelta(days=365 * 30)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class TestAuthority:
    """A certificate authority in memory."""

    __test__ = False

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        builder = x509.CertificateBuilder().subject_name(_name("roots")).issuer_name(_name("roots"))
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self._certificate = self._sign(builder, self._key)

    def _sign(self, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return (
            builder.not_valid_before(_START).not_valid_after(_START + _YEARS).sign(self._key, hashes.SHA256())
        )

    def bundle(self) -> bytes:
        """Gives the root in PEM."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, component: str, uris: Sequence[str] | None = None) -> TlsIdentity:
        """Issues a certificate; `uris` replaces the right SPIFFE id."""
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.DNSName(f"{component}.callward.internal")]
        ids = [f"spiffe://callward/{component}"] if uris is None else uris
        names.extend(x509.UniformResourceIdentifier(uri) for uri in ids)
        builder = x509.CertificateBuilder().subject_name(_name(component)).issuer_name(_name("roots"))
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        pem = serialization.Encoding.PEM
        private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return TlsIdentity(self._sign(builder, key).public_bytes(pem), private, self.bundle())
