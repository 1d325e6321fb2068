"""Merkle roots and consistency proofs as RFC 9162 defines them, without a thought for speed."""

from callward_crypto.merkle import node_hash

ORIGIN = "callward.example/logs/2026-0"


def root(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, by its definition."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(root(leaves[:split]), root(leaves[split:]))


def proof(old: list[bytes], new: list[bytes]) -> list[bytes]:
    """RFC 9162 section 2.1.4.1, by its definition."""
    return _subproof(len(old), new, whole=True)


def _subproof(size: int, leaves: list[bytes], *, whole: bool) -> list[bytes]:
    if size == len(leaves):
        return [] if whole else [root(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if size <= split:
        return [*_subproof(size, leaves[:split], whole=whole), root(leaves[split:])]
    return [*_subproof(size - split, leaves[split:], whole=False), root(leaves[:split])]
