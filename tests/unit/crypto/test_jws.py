import base64
import json
import warnings

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as joserfc_jws
from joserfc.jwk import OKPKey

from callward_crypto import jws
from callward_crypto.jws import JwsError

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = PRIVATE.public_key().public_bytes_raw()
KEYS = {"k1": PUBLIC, "other": Ed25519PrivateKey.generate().public_key().public_bytes_raw()}
TYP = "receipt+jws"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


JWK = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": b64(PUBLIC), "d": b64(bytes(range(32)))})


def sign(typ: str, kid: str, payload: bytes) -> str:
    message = jws.signing_input(typ, kid, payload)
    return jws.assemble(message, PRIVATE.sign(message))


def signed_with_header(header: str | bytes, payload: bytes = b"{}") -> str:
    encoded = header.encode() if isinstance(header, str) else header
    message = f"{b64(encoded)}.{b64(payload)}".encode()
    return jws.assemble(message, PRIVATE.sign(message))


@given(st.binary(max_size=200), st.text(max_size=20))
def test_joserfc_reads_ours(payload: bytes, kid: str) -> None:
    token = sign(TYP, kid, payload)
    assert jws.verify(token, TYP, {kid: PUBLIC}) == payload
    with warnings.catch_warnings():
        # RFC 9864 renames the algorithm; Callward's documents keep the name that RFC 8037 gave it.
        warnings.simplefilter("ignore")
        read = joserfc_jws.deserialize_compact(token, JWK, algorithms=["EdDSA"])
    assert (read.payload, read.headers()) == (payload, {"alg": "EdDSA", "kid": kid, "typ": TYP})


@given(st.binary(max_size=200))
def test_we_read_joserfcs(payload: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        header = {"typ": TYP, "alg": "EdDSA", "kid": "k1"}
        token = joserfc_jws.serialize_compact(header, payload, JWK, algorithms=["EdDSA"])
    assert jws.verify(token, TYP, KEYS) == payload


def test_rfc_8037_signature() -> None:
    # RFC 8037 appendix A.4: key, header without typ and kid, payload and signature.
    seed = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")
    message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
    token = jws.assemble(message, Ed25519PrivateKey.from_private_bytes(seed).sign(message))
    assert token.split(".")[2] == (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    )


def test_signing_input_is_byte_exact() -> None:
    header, payload = jws.signing_input("t", "k", b"\xff").decode().split(".")
    assert base64.urlsafe_b64decode(header + "==") == b'{"alg":"EdDSA","kid":"k","typ":"t"}'
    assert payload == "_w"


@given(st.integers(0, 10**6), st.integers(0, 7))
def test_any_flipped_bit_fails(position: int, bit: int) -> None:
    altered = bytearray(sign(TYP, "k1", b'{"id":1}').encode())
    altered[position % len(altered)] ^= 1 << bit
    with pytest.raises(JwsError):
        jws.verify(altered.decode(errors="surrogateescape"), TYP, KEYS)


def test_another_type_or_key_fails() -> None:
    token = sign(TYP, "k1", b"{}")
    for typ in ("", "receipt", "certificate+jws", TYP.upper()):
        with pytest.raises(JwsError, match="alg, kid and typ"):
            jws.verify(token, typ, KEYS)
    for keys in ({}, {"other": PUBLIC}):
        with pytest.raises(JwsError, match="unknown key"):
            jws.verify(token, TYP, keys)
    for public in (KEYS["other"], b"short"):
        with pytest.raises(JwsError, match="signature is wrong"):
            jws.verify(token, TYP, {"k1": public})


GOOD = {"alg": "EdDSA", "kid": "k1", "typ": TYP}


@pytest.mark.parametrize(
    "header",
    [
        json.dumps({**GOOD, "alg": "none"}),
        json.dumps({**GOOD, "alg": "HS256"}),
        json.dumps({**GOOD, "alg": "Ed25519"}),
        json.dumps({**GOOD, "alg": ["EdDSA"]}),
        json.dumps({**GOOD, "kid": 1}),
        json.dumps({**GOOD, "kid": ["k1"]}),
        json.dumps({**GOOD, "kid": None}),
        json.dumps({**GOOD, "crit": []}),
        json.dumps({**GOOD, "crit": ["exp"], "exp": 1}),
        json.dumps({**GOOD, "b64": False}),
        json.dumps({**GOOD, "jwk": {}}),
        json.dumps({"alg": "EdDSA", "typ": TYP}),
        json.dumps({"alg": "EdDSA", "kid": "k1"}),
        json.dumps({"kid": "k1", "typ": TYP}),
        json.dumps(GOOD)[:-1] + ', "kid": "k1"}',
        '{"alg":"EdDSA","kid":"k1","kid":"k1"}',
        json.dumps(list(GOOD.items())),
        json.dumps("text"),
        "null",
        "{}",
        "",
        "{",
        b"\xff{}",
        b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
        "[" * 20_000,
        '{"a":' * 20_000,
    ],
)
def test_other_headers_are_refused(header: str | bytes) -> None:
    with pytest.raises(JwsError):
        jws.verify(signed_with_header(header), TYP, KEYS)


def test_the_header_helper_can_make_a_good_token() -> None:
    assert jws.verify(signed_with_header(json.dumps(GOOD)), TYP, KEYS) == b"{}"


def test_one_document_has_one_token() -> None:
    token = sign(TYP, "k1", b"x")
    header, payload, signature = token.split(".")
    assert payload == "eA"
    resigned = f"{header}.eB".encode()
    for variant in (
        f"{header}.{payload}.{signature}==",
        f"{header}.{payload}=.{signature}",
        f"{header}.{payload}.{signature[:-1]}{chr(ord(signature[-1]) + 1)}",
        jws.assemble(resigned, PRIVATE.sign(resigned)),
        f"{header}.{payload}\n.{signature}",
        f" {token}",
        f"{token}\n",
        f"{token}.",
        f"{header}.{payload}",
        f"{header}.{payload}.",
        f"{header}.a.{signature}",
        "..",
        "",
    ):
        with pytest.raises(JwsError):
            jws.verify(variant, TYP, KEYS)


def test_limits() -> None:
    token = sign(TYP, "k1", bytes(1000))
    assert jws.verify(token, TYP, KEYS, max_size=len(token)) == bytes(1000)
    with pytest.raises(JwsError, match="too long"):
        jws.verify(token, TYP, KEYS, max_size=len(token) - 1)
    with pytest.raises(JwsError, match="64 bytes"):
        jws.assemble(jws.signing_input(TYP, "k1", b""), bytes(63))
