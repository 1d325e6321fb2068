"""RFC 6962 / RFC 9162 Merkle trees: hashing, an append-only frontier, inclusion and consistency proofs.

A node (level, index) is the root of the complete subtree over leaves [index·2^level, (index+1)·2^level); it never
changes once complete, so it can be stored. A proof is built in two steps, so that a store reads every node at once:

    wanted = inclusion_nodes(index, size)
    proof = build_inclusion(index, size, nodes)    # nodes: the stored hashes of `wanted`
"""

import hashlib
from collections.abc import Mapping, Sequence

HASH_SIZE = 32
#: Root of the tree without leaves (RFC 9162 section 2.1.1).
EMPTY_ROOT = hashlib.sha256(b"").digest()

#: (level, index) of a complete subtree; level 0 is the leaves.
NodeId = tuple[int, int]
#: (level, index, hash) of a complete subtree.
Node = tuple[int, int, bytes]


class ProofError(Exception):
    """A proof that does not hold, one that cannot exist for its sizes, or nodes missing to build it."""


def leaf_hash(data: bytes) -> bytes:
    """Returns SHA-256(0x00 ‖ data) (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Returns SHA-256(0x01 ‖ left ‖ right) (RFC 9162 section 2.1.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class CompactRange:
    """The roots of the maximal complete subtrees of a growing tree, left to right: O(log n) state to append to it.

    Kept as `size` and `hashes` and restored by passing both; ProofError when they do not belong together.
    """

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        if size < 0 or len(hashes) != size.bit_count() or any(len(each) != HASH_SIZE for each in hashes):
            raise ProofError("The hashes do not belong to a tree of this size.")
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """Number of leaves."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """Hashes of the nodes `frontier_nodes(size)`, in that order."""
        return tuple(self._hashes)

    def append(self, leaf: bytes) -> list[Node]:
        """Appends a leaf *hash*; returns the nodes it completed, the leaf first, each to be stored for proofs."""
        if len(leaf) != HASH_SIZE:
            raise ProofError("A leaf hash is not 32 bytes.")
        level, index = 0, self._size
        completed = [(level, index, leaf)]
        while index & 1:
            leaf = node_hash(self._hashes.pop(), leaf)
            level, index = level + 1, index >> 1
            completed.append((level, index, leaf))
        self._hashes.append(leaf)
        self._size += 1
        return completed

    def root(self) -> bytes:
        """Returns the Merkle tree hash of all leaves so far."""
        return _fold(self._hashes) if self._hashes else EMPTY_ROOT


def frontier_nodes(size: int) -> list[NodeId]:
    """Returns the nodes that make up a tree of `size` leaves, left to right: at most one a level."""
    if size < 0:
        raise ProofError("A tree size is negative.")
    return _cover(0, size)


def inclusion_nodes(index: int, size: int) -> list[NodeId]:
    """Returns the nodes needed to prove leaf `index` in a tree of `size`; ProofError unless 0 <= index < size."""
    return [node for each in _inclusion_ranges(index, size) for node in _cover(*each)]


def build_inclusion(index: int, size: int, nodes: Mapping[NodeId, bytes]) -> list[bytes]:
    """Returns the inclusion proof of RFC 9162 section 2.1.3.1; ProofError when a needed node is missing."""
    return [_subtree(each, nodes) for each in _inclusion_ranges(index, size)]


def consistency_nodes(old: int, new: int) -> list[NodeId]:
    """Returns the nodes needed to prove that a tree of `new` leaves extends one of `old`; needs 0 < old <= new."""
    return [node for each in _consistency_ranges(old, new) for node in _cover(*each)]


def build_consistency(old: int, new: int, nodes: Mapping[NodeId, bytes]) -> list[bytes]:
    """Returns the consistency proof of RFC 9162 section 2.1.4.1; ProofError when a needed node is missing."""
    return [_subtree(each, nodes) for each in _consistency_ranges(old, new)]


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises ProofError unless `proof` puts leaf hash `leaf` at `index` under `root` (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size:
        raise ProofError("The leaf index is outside the tree.")
    _check_lengths(leaf, root, *proof)
    fn, sn, computed = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            raise ProofError("The inclusion proof is too long.")
        if fn & 1 or fn == sn:
            computed = node_hash(sibling, computed)
            fn, sn = _skip_levels(fn, sn)
        else:
            computed = node_hash(computed, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or computed != root:
        raise ProofError("The inclusion proof does not lead to the root.")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises ProofError unless `proof` shows that the new tree extends the old (RFC 9162 section 2.1.4.2).

    Both sizes are at least 1: nothing has to be proved about an empty tree. Equal sizes need an empty proof.
    """
    if not 0 < old_size <= new_size:
        raise ProofError("The sizes are not those of a tree and its extension.")
    _check_lengths(old_root, new_root, *proof)
    if old_size == new_size:
        if proof or old_root != new_root:
            raise ProofError("Two trees of one size are consistent only when they are equal.")
        return
    if not proof:
        raise ProofError("The consistency proof is empty.")
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else list(proof)
    fn, sn = old_size - 1, new_size - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            raise ProofError("The consistency proof is too long.")
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            fn, sn = _skip_levels(fn, sn)
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    if sn != 0 or old != old_root or new != new_root:
        raise ProofError("The consistency proof does not lead to both roots.")


def _skip_levels(fn: int, sn: int) -> tuple[int, int]:
    # On the right edge a node without sibling is its own parent: no hash for those levels.
    while fn and not fn & 1:
        fn, sn = fn >> 1, sn >> 1
    return fn, sn


def _check_lengths(*hashes: bytes) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise ProofError("A hash is not 32 bytes.")


def _cover(start: int, stop: int) -> list[NodeId]:
    # Complete subtrees over [start, stop), left to right. Ranges here come from halving a tree, so `start` is a
    # multiple of the largest power of two that fits; a range inside the right edge has several, folded by _fold.
    nodes = []
    while start < stop:
        level = (stop - start).bit_length() - 1
        nodes.append((level, start >> level))
        start += 1 << level
    return nodes


def _fold(hashes: Sequence[bytes]) -> bytes:
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def _subtree(leaves: tuple[int, int], nodes: Mapping[NodeId, bytes]) -> bytes:
    try:
        return _fold([nodes[node] for node in _cover(*leaves)])
    except KeyError as error:
        raise ProofError("A node needed for the proof is missing.") from error


def _inclusion_ranges(index: int, size: int) -> list[tuple[int, int]]:
    if not 0 <= index < size:
        raise ProofError("The leaf index is outside the tree.")
    return _descend(index + 1, size, to_leaf=True)[1]


def _consistency_ranges(old: int, new: int) -> list[tuple[int, int]]:
    # SUBPROOF of RFC 9162 section 2.1.4.1, unrolled. A subtree from leaf 0 is the old tree, known to the verifier.
    if not 0 < old <= new:
        raise ProofError("The sizes are not those of a tree and its extension.")
    subtree, siblings = _descend(old, new, to_leaf=False)
    return [subtree, *siblings] if subtree[0] else siblings


def _descend(stop: int, size: int, *, to_leaf: bool) -> tuple[tuple[int, int], list[tuple[int, int]]]:
    # Halves the tree down to the first subtree that ends at leaf `stop` (exclusive), or on to its last leaf.
    # Returns that subtree's range and those of the siblings on the way, lowest first.
    first, end, siblings = 0, size, []
    while end - first > 1 and (to_leaf or stop < end):
        middle = first + (1 << ((end - first - 1).bit_length() - 1))
        if stop <= middle:
            siblings.append((middle, end))
            end = middle
        else:
            siblings.append((first, middle))
            first = middle
    return (first, end), siblings[::-1]
