"""RFC 9162 and C2SP signed notes, written from their texts alone: nothing of Callward is imported.

Proofs are checked by the algorithms of sections 2.1.3.2 and 2.1.4.2, trees are hashed by the recursive definition of
section 2.1.1, which shares nothing with how the log computes them.
"""

import base64
import hashlib
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


def leaf(entry: bytes) -> bytes:
    """Gives the hash of a leaf."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(entries: Sequence[bytes]) -> bytes:
    """Gives the Merkle tree hash of a list of entries (section 2.1.1)."""
    if not entries:
        return hashlib.sha256().digest()
    if len(entries) == 1:
        return leaf(entries[0])
    split = 1 << ((len(entries) - 1).bit_length() - 1)
    return _node(root(entries[:split]), root(entries[split:]))


def included(entry: bytes, index: int, size: int, proof: Sequence[bytes], root_hash: bytes) -> bool:
    """Says whether a proof of inclusion holds (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    fn, sn, r = index, size - 1, leaf(entry)
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = _node(p, r)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            r = _node(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root_hash


def consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, proof: Sequence[bytes]
) -> bool:
    """Says whether a proof of consistency holds (section 2.1.4.2)."""
    if first == second:
        return not proof and first_root == second_root
    if not 0 < first < second or not proof:
        return False
    path = list(proof)
    if first & (first - 1) == 0:
        path.insert(0, first_root)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = _node(c, fr), _node(c, sr)
            while fn and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = _node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return fr == first_root and sr == second_root and sn == 0


def read_note(note: str, public_key: bytes) -> tuple[str, int, bytes]:
    """Gives origin, size and root of a C2SP checkpoint whose Ed25519 signature is checked here."""
    text, _, signatures = note.partition("\n\n")
    origin, size, root_hash = text.split("\n")[:3]
    signature = signatures.splitlines()[0].removeprefix("— ").split(" ")
    assert signature[0] == origin
    blob = base64.b64decode(signature[1])
    named = hashlib.sha256(origin.encode() + b"\n\x01" + public_key).digest()[:4]
    assert blob[:4] == named
    Ed25519PublicKey.from_public_bytes(public_key).verify(blob[4:], f"{text}\n".encode())
    return origin, int(size), base64.b64decode(root_hash)
