"""Certificates of the in-memory authority."""

from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from callward_embedded.authority import VALIDITY, CertificateAuthority
from tests.support.clock import ManualClock


def leaf(chain: bytes) -> x509.Certificate:
    return x509.load_pem_x509_certificate(chain)


def test_a_certificate_names_its_component_twice_and_nothing_else() -> None:
    identity = CertificateAuthority(ManualClock()).issue("key-management")

    names = (
        leaf(identity.certificate_chain).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    )
    assert names.get_values_for_type(x509.UniformResourceIdentifier) == ["spiffe://callward/key-management"]
    assert names.get_values_for_type(x509.DNSName) == ["key-management.callward.internal"]
    assert len(list(names)) == 2


def test_the_key_belongs_to_the_certificate_and_stays_out_of_repr() -> None:
    identity = CertificateAuthority(ManualClock()).issue("ingest")

    key = serialization.load_pem_private_key(identity.private_key, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.public_key() == leaf(identity.certificate_chain).public_key()
    assert "PRIVATE" not in repr(identity)


def verify(identity_chain: bytes, bundle: bytes, clock: ManualClock) -> None:
    store = Store([x509.load_pem_x509_certificate(bundle)])
    verifier = PolicyBuilder().store(store).time(clock.now().replace(tzinfo=None)).build_client_verifier()
    verifier.verify(leaf(identity_chain), [])


def test_it_verifies_under_its_own_authority_for_its_time_and_under_no_other() -> None:
    clock = ManualClock()
    authority = CertificateAuthority(clock)
    identity = authority.issue("audit", valid_for=timedelta(hours=1))

    verify(identity.certificate_chain, authority.trust_bundle, clock)
    with pytest.raises(VerificationError):
        verify(identity.certificate_chain, CertificateAuthority(clock).trust_bundle, clock)
    clock.advance(timedelta(hours=2))
    with pytest.raises(VerificationError):
        verify(identity.certificate_chain, authority.trust_bundle, clock)


def test_it_is_for_both_ends_and_outlives_a_long_running_platform() -> None:
    clock = ManualClock()
    certificate = leaf(CertificateAuthority(clock).issue("consent").certificate_chain)

    usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert set(usage) == {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH}
    assert certificate.not_valid_after_utc - clock.now() == VALIDITY


@pytest.mark.parametrize("component", ["", "Consent", "a b", "consent/../audit", "1st", "a" * 64])
def test_no_certificate_is_issued_for_what_is_no_component(component: str) -> None:
    with pytest.raises(ValueError, match="component"):
        CertificateAuthority(ManualClock()).issue(component)
