"""Checkpoints of the audit log: which ones may be signed (sealing.md section 6)."""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from callward_common.errors import InvalidRequest
from callward_keys.domain.errors import CheckpointConflict
from callward_keys.domain.model import HASH_BYTES

#: C2SP tlog-checkpoint: the origin is a schema-less URL with no white space; C2SP signed-note: no plus sign in a name.
ORIGIN = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?(?:/[A-Za-z0-9._-]{1,64}){1,8}")
MAX_ORIGIN = 256
#: A proof between two trees of fewer than 2^63 leaves has at most 2 · 63 + 1 hashes (RFC 9162 section 2.1.4.1).
MAX_PROOF = 127

#: RFC 9162 section 2.1.1: the root of a tree without leaves.
EMPTY_ROOT = hashlib.sha256(b"").digest()

#: verify(old_size, old_root, new_size, new_root, proof): whether the new tree grows out of the old one.
ConsistencyCheck = Callable[[int, bytes, int, bytes, Sequence[bytes]], bool]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A tree's size and root under a log's origin line."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        """Refuses what could not stand in a signed note, and another root than its own for the empty tree."""
        demand_origin(self.origin)
        if not 0 <= self.size < 2**63:
            raise InvalidRequest("size is not a number of leaves.")
        if len(self.root) != HASH_BYTES:
            raise InvalidRequest(f"root is not {HASH_BYTES} bytes long.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise InvalidRequest("root is not the one of the empty tree.")


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with its C2SP signed note and the signing key's id."""

    checkpoint: Checkpoint
    note: str
    signing_key_id: str


def demand_origin(origin: str) -> str:
    """Returns an origin line, or raises InvalidRequest."""
    if len(origin) > MAX_ORIGIN or ORIGIN.fullmatch(origin) is None:
        raise InvalidRequest("origin is not a host name followed by a path.")
    return origin


def demand_proof(proof: Sequence[bytes]) -> Sequence[bytes]:
    """Returns a proof, or raises InvalidRequest for one that is none by its form."""
    if len(proof) > MAX_PROOF or any(len(item) != HASH_BYTES for item in proof):
        raise InvalidRequest(f"consistency_proof is not at most {MAX_PROOF} hashes of {HASH_BYTES} bytes.")
    return proof


def repeats(last: SignedCheckpoint | None, wanted: Checkpoint) -> bool:
    """Says whether exactly this checkpoint was signed last: its note is given again."""
    return last is not None and last.checkpoint == wanted


def demand_growth(
    last: SignedCheckpoint | None, wanted: Checkpoint, proof: Sequence[bytes], consistent: ConsistencyCheck
) -> None:
    """Raises CheckpointConflict unless `wanted` grows out of the last signed checkpoint, which the proof shows.

    After none, or after the empty tree, there is nothing to contradict and nothing to prove: any tree grows out of it.
    """
    old = None if last is None else last.checkpoint
    if old is None or old.size == 0:
        if proof:
            raise CheckpointConflict(
                "No leaves of this origin were signed before: there is nothing to prove."
            )
        return
    if wanted.size < old.size:
        raise CheckpointConflict("The tree is smaller than one that was signed.")
    if wanted.size == old.size:
        raise CheckpointConflict("Another root was signed for this size.")
    if not consistent(old.size, old.root, wanted.size, wanted.root, proof):
        raise CheckpointConflict("The proof does not show that the tree grows out of the last signed one.")
