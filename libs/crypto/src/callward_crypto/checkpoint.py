"""C2SP checkpoints of a log: a signed note (c2sp.org/signed-note) whose text is a tree head (c2sp.org/tlog-checkpoint)."""

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ROOT_SIZE = 32
SIGNATURE_SIZE = 64
MAX_TREE_SIZE = 2**63 - 1
#: Upper bound of a note in characters; room for far more than the 16 signatures that a verifier has to accept.
MAX_NOTE_SIZE = 1_000_000

_ED25519 = b"\x01"
_SIZE = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")


class NoteError(Exception):
    """A note or a part of one that is malformed, not signed by the expected key, or for another log."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The head of a log: its origin, number of leaves, Merkle root (32 bytes), and opaque extension lines."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()


def checkpoint_body(origin: str, size: int, root: bytes) -> bytes:
    """Returns the note text to sign. The origin doubles as key name: not empty, no spaces, no `+`, no control."""
    _check_name(origin)
    if not 0 <= size <= MAX_TREE_SIZE or len(root) != ROOT_SIZE:
        raise NoteError("A checkpoint's size or root is out of bounds.")
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n".encode()


def parse_checkpoint(note: str) -> Checkpoint:
    """Reads a note, or its text alone, as a checkpoint. Verifies no signature: see `verify_note`."""
    return _parse_text(_split(note)[0] if "\n\n" in note else note)


def key_hash(name: str, public_key: bytes) -> bytes:
    """Returns the 4-byte key id of a named Ed25519 public key (32 bytes) (signed-note, "Signatures")."""
    _check_name(name)
    return hashlib.sha256(name.encode() + b"\n" + _ED25519 + public_key).digest()[:4]


def signature_line(name: str, public_key: bytes, signature: bytes) -> str:
    """Returns the signature line, with its newline, for a 64-byte Ed25519 signature over the note text."""
    if len(signature) != SIGNATURE_SIZE:
        raise NoteError("An Ed25519 signature is not 64 bytes.")
    return f"— {name} {base64.b64encode(key_hash(name, public_key) + signature).decode()}\n"


def assemble_note(body: bytes, *signature_lines: str) -> str:
    """Returns the signed note of a body and the signature lines over it."""
    return body.decode() + "\n" + "".join(signature_lines)


def verify_note(
    note: str, name: str, public_key: bytes, *, origin: str | None = None, max_size: int = MAX_NOTE_SIZE
) -> Checkpoint:
    """Returns the checkpoint of a note that the named Ed25519 key has signed, for the log `origin` (default: `name`).

    Signatures of other keys are ignored; raises NoteError when this key's is missing or any of its is wrong, when
    the note is malformed or longer than `max_size` characters, or when it is the checkpoint of another log.
    """
    if len(note) > max_size:
        raise NoteError("A note is too long.")
    text, signatures = _split(note)
    wanted, found = (name, key_hash(name, public_key)), False
    for signer, blob in signatures:
        if (signer, blob[:4]) == wanted:
            _verify(public_key, blob[4:], _encode(text))
            found = True
    if not found:
        raise NoteError("A note is not signed by the expected key.")
    checkpoint = _parse_text(text)
    if checkpoint.origin != (name if origin is None else origin):
        raise NoteError("A checkpoint is that of another log.")
    return checkpoint


def _split(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    text, blank, signatures = note.rpartition("\n\n")
    if not blank or _CONTROL.search(note) or not signatures.endswith("\n"):
        raise NoteError("A note is not a text, an empty line and signature lines.")
    return text + "\n", [_parse_signature(line) for line in signatures[:-1].split("\n")]


def _parse_text(text: str) -> Checkpoint:
    lines = text.split("\n")
    if _CONTROL.search(text) or len(lines) < 4 or lines.pop() or not all(lines):
        raise NoteError("A checkpoint is not at least three lines, none of them empty.")
    origin, size, root, *extensions = lines
    if _SIZE.fullmatch(size) is None or int(size) > MAX_TREE_SIZE:
        raise NoteError("A checkpoint's tree size is malformed.")
    decoded = _decode(root)
    if len(decoded) != ROOT_SIZE:
        raise NoteError("A checkpoint's root is not 32 bytes.")
    return Checkpoint(origin, int(size), decoded, tuple(extensions))


def _verify(public_key: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise NoteError("A note's signature is wrong.") from error


def _parse_signature(line: str) -> tuple[str, bytes]:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    blob = _decode(encoded)
    _check_name(name)
    if dash != "—" or len(blob) < 5:
        raise NoteError("A signature line is malformed.")
    return name, blob


def _check_name(name: str) -> None:
    if not name or "+" in name or any(each.isspace() or each < " " for each in name):
        raise NoteError("A key name or origin is empty or holds a space, a plus or a control character.")
    _encode(name)


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise NoteError("A note is not valid UTF-8.") from error


def _decode(text: str) -> bytes:
    try:
        decoded = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise NoteError("Base64 in a note is malformed.") from error
    if base64.b64encode(decoded).decode() != text:
        raise NoteError("Base64 in a note is not canonical.")
    return decoded
