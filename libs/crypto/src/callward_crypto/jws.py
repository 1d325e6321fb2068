"""Compact JWS (RFC 7515) with EdDSA over Ed25519 (RFC 8037), for signatures that are made elsewhere."""

import base64
import binascii
import json
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ALGORITHM = "EdDSA"
SIGNATURE_SIZE = 64
#: Upper bound of a token in characters that `verify` accepts unless told otherwise.
MAX_TOKEN_SIZE = 1_048_576

_BASE64URL = re.compile(r"[A-Za-z0-9_-]*", re.ASCII)


class JwsError(Exception):
    """A token that is malformed, of another type, by an unknown key, or with a wrong signature."""


def signing_input(typ: str, kid: str, payload: bytes) -> bytes:
    """Returns the bytes to sign: a protected header of exactly alg, kid and typ, and the payload."""
    header = json.dumps({"alg": ALGORITHM, "kid": kid, "typ": typ}, separators=(",", ":"))
    return f"{_encode(header.encode())}.{_encode(payload)}".encode()


def assemble(signing_input: bytes, signature: bytes) -> str:
    """Returns the token of a signing input and its 64-byte Ed25519 signature; JwsError for another length."""
    if len(signature) != SIGNATURE_SIZE:
        raise JwsError("An Ed25519 signature is not 64 bytes.")
    return f"{signing_input.decode()}.{_encode(signature)}"


def verify(
    token: str, typ: str, public_keys: Mapping[str, bytes], *, max_size: int = MAX_TOKEN_SIZE
) -> bytes:
    """Returns the payload of a token of type `typ` signed by one of the Ed25519 keys (kid to 32 bytes).

    Strict beyond RFC 7515: the header holds alg (EdDSA), typ (equal to `typ`) and kid (known) once each and nothing
    else, so no `crit`, `b64`, `jwk`; base64url is canonical, so one document has one token. Raises JwsError.
    """
    parts = token.split(".") if len(token) <= max_size else []
    if len(parts) != 3:
        raise JwsError("A token is too long or has not three parts.")
    header, payload, signature = (_decode(part) for part in parts)
    kid = _checked_kid(header, typ)
    if kid not in public_keys:
        raise JwsError("A token is signed by an unknown key.")
    try:
        message = f"{parts[0]}.{parts[1]}".encode()
        Ed25519PublicKey.from_public_bytes(public_keys[kid]).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise JwsError("A token's signature is wrong.") from error
    return payload


def _checked_kid(encoded: bytes, typ: str) -> str:
    try:
        header: object = json.loads(encoded.decode(), object_pairs_hook=list)
    except (ValueError, RecursionError) as error:
        raise JwsError("A token's header is not JSON.") from error
    # Objects come as lists of pairs, which keeps a repeated name visible; the brace rules out a real array.
    if not encoded.startswith(b"{") or not isinstance(header, list) or len(header) != 3:
        raise JwsError("A token's header has not exactly alg, kid and typ.")
    members = dict(header)
    kid = members.get("kid")
    if members != {"alg": ALGORITHM, "kid": kid, "typ": typ} or not isinstance(kid, str):
        raise JwsError("A token's header has not the expected alg, kid and typ.")
    return kid


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _decode(text: str) -> bytes:
    if _BASE64URL.fullmatch(text) is None:
        raise JwsError("A token holds other characters than base64url.")
    try:
        decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError) as error:
        raise JwsError("A token's base64url is malformed.") from error
    if _encode(decoded) != text:
        raise JwsError("A token's base64url is not canonical.")
    return decoded
