"""Merkle trees against pymerkle, against RFC 9162's recursive definitions, and against published vectors."""

from functools import cache

import pymerkle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callward_crypto import merkle
from callward_crypto.merkle import CompactRange, NodeId, ProofError

MOST = 70
ENTRIES = [index.to_bytes(index % 5 + 1, "big") for index in range(MOST)]
LEAVES = [merkle.leaf_hash(entry) for entry in ENTRIES]
OTHER = merkle.leaf_hash(b"another")


def _grow(leaves: list[bytes]) -> tuple[list[bytes], dict[NodeId, bytes]]:
    tree, roots, nodes = CompactRange(), [CompactRange().root()], {}
    for leaf in leaves:
        for level, index, digest in tree.append(leaf):
            assert (level, index) not in nodes
            nodes[level, index] = digest
        roots.append(tree.root())
    return roots, nodes


ROOTS, NODES = _grow(LEAVES)


@cache
def oracle() -> pymerkle.InmemoryTree:
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for entry in ENTRIES:
        tree.append_entry(entry)
    return tree


def _only(wanted: list[NodeId]) -> dict[NodeId, bytes]:
    return {node: NODES[node] for node in wanted}


def inclusion(index: int, size: int) -> list[bytes]:
    return merkle.build_inclusion(index, size, _only(merkle.inclusion_nodes(index, size)))


def consistency(old: int, new: int) -> list[bytes]:
    return merkle.build_consistency(old, new, _only(merkle.consistency_nodes(old, new)))


def subproof(m: int, leaves: list[bytes], known: bool) -> list[bytes]:
    # SUBPROOF of RFC 9162 section 2.1.4.1, word for word, with a plain tree hash.
    n = len(leaves)
    if m == n:
        return [] if known else [tree_hash(leaves)]
    k = max(1 << e for e in range(n.bit_length()) if 1 << e < n)
    if m <= k:
        return [*subproof(m, leaves[:k], known), tree_hash(leaves[k:])]
    return [*subproof(m - k, leaves[k:], False), tree_hash(leaves[:k])]


def tree_hash(leaves: list[bytes]) -> bytes:
    if len(leaves) == 1:
        return leaves[0]
    k = max(1 << e for e in range(len(leaves).bit_length()) if 1 << e < len(leaves))
    return merkle.node_hash(tree_hash(leaves[:k]), tree_hash(leaves[k:]))


def test_roots_are_pymerkles() -> None:
    assert [oracle().get_root(size) for size in range(MOST + 1)] == ROOTS
    assert ROOTS[0] == merkle.EMPTY_ROOT


@pytest.mark.parametrize("size", range(1, MOST + 1))
def test_inclusion_is_pymerkles_and_verifies(size: int) -> None:
    for index in range(size):
        proof = inclusion(index, size)
        theirs = oracle().prove_inclusion(index + 1, size)
        assert [LEAVES[index], *proof] == theirs.path
        theirs.verify(LEAVES[index], ROOTS[size])
        merkle.verify_inclusion(LEAVES[index], index, size, proof, ROOTS[size])


@pytest.mark.parametrize("new", range(1, MOST + 1))
def test_consistency_is_the_rfcs_and_agrees_with_pymerkle(new: int) -> None:
    for old in range(1, new + 1):
        proof = consistency(old, new)
        assert proof == subproof(old, LEAVES[:new], True)
        merkle.verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)
        # pymerkle proves with other subtrees where the old tree ends on a power of two, so its path is not
        # comparable as a whole; those of its hashes that make up the old tree must be in ours.
        theirs = oracle().prove_consistency(old, new)
        theirs.verify(ROOTS[old], ROOTS[new])
        old_parts = {digest for digest, part in zip(theirs.path, theirs.subset, strict=True) if part}
        assert old == new or old_parts <= {*proof, ROOTS[old]}


def _vector(text: str) -> list[bytes]:
    return [bytes.fromhex(part) for part in text.split()]


def test_published_vectors() -> None:
    # The tree of the Certificate Transparency reference tests (github.com/google/certificate-transparency).
    entries = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    roots, nodes = _grow([merkle.leaf_hash(bytes.fromhex(entry)) for entry in entries])
    assert [roots[size].hex() for size in (0, 1, 5, 8)] == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]
    assert merkle.build_inclusion(1, 5, nodes) == _vector(
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d "
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
    )
    assert merkle.build_consistency(6, 8, nodes) == _vector(
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a "
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0 "
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
    )
    assert merkle.build_consistency(2, 5, nodes) == _vector(
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e "
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
    )


def test_restoring_the_range_at_any_size_continues_it() -> None:
    tree = CompactRange()
    for size, leaf in enumerate(LEAVES):
        assert tree.size == size
        assert tree.hashes == tuple(NODES[node] for node in merkle.frontier_nodes(size))
        tree = CompactRange(tree.size, tree.hashes)
        tree.append(leaf)
        assert tree.root() == ROOTS[size + 1]


@pytest.mark.parametrize(
    ("size", "hashes"), [(-1, []), (0, [OTHER]), (1, []), (3, [OTHER]), (4, [OTHER, OTHER]), (1, [b"short"])]
)
def test_a_range_that_cannot_be_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(ProofError):
        CompactRange(size, hashes)


def test_bad_leaves_and_missing_nodes_are_refused() -> None:
    with pytest.raises(ProofError):
        CompactRange().append(b"not a hash")
    with pytest.raises(ProofError):
        merkle.frontier_nodes(-1)
    for wanted in merkle.inclusion_nodes(3, 21):
        with pytest.raises(ProofError):
            merkle.build_inclusion(3, 21, {node: NODES[node] for node in NODES if node != wanted})
    for wanted in merkle.consistency_nodes(5, 21):
        with pytest.raises(ProofError):
            merkle.build_consistency(5, 21, {node: NODES[node] for node in NODES if node != wanted})


@given(st.integers(1, 2**62), st.data())
def test_few_and_complete_nodes_are_read(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    for nodes in (merkle.inclusion_nodes(index, size), merkle.consistency_nodes(index + 1, size)):
        assert len(nodes) == len(set(nodes)) <= 2 * size.bit_length()
        assert all((at + 1) << level <= size for level, at in nodes)


def _altered(proof: list[bytes], data: st.DataObject) -> list[bytes]:
    at = data.draw(st.integers(0, len(proof) - 1)) if proof else 0
    kinds = ["longer", "front"] + (["drop", "change", "short"] if proof else [])
    match data.draw(st.sampled_from(kinds)):
        case "longer":
            return [*proof, OTHER]
        case "front":
            return [OTHER, *proof]
        case "drop":
            return proof[:at] + proof[at + 1 :]
        case "short":
            return [*proof[:at], proof[at][:-1], *proof[at + 1 :]]
        case _:
            return [*proof[:at], OTHER, *proof[at + 1 :]]


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_wrong_inclusion_proofs_fail(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, MOST))
    index = data.draw(st.integers(0, size - 1))
    proof, leaf, root = inclusion(index, size), LEAVES[index], ROOTS[size]
    with pytest.raises(ProofError):
        merkle.verify_inclusion(leaf, index, size, _altered(proof, data), root)
    with pytest.raises(ProofError):
        merkle.verify_inclusion(OTHER, index, size, proof, root)
    with pytest.raises(ProofError):
        merkle.verify_inclusion(leaf, index, size, proof, OTHER)
    other_index = data.draw(st.integers(-1, size).filter(lambda each: each != index))
    with pytest.raises(ProofError):
        merkle.verify_inclusion(leaf, other_index, size, proof, root)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_wrong_consistency_proofs_fail(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, MOST))
    old = data.draw(st.integers(1, new))
    proof = consistency(old, new)
    for args in (
        (old, ROOTS[old], new, ROOTS[new], _altered(proof, data)),
        (old, OTHER, new, ROOTS[new], proof),
        (old, ROOTS[old], new, OTHER, proof),
        (old, ROOTS[old][:-1], new, ROOTS[new], proof),
    ):
        with pytest.raises(ProofError):
            merkle.verify_consistency(*args)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 5), (-1, 5), (6, 5)])
def test_impossible_sizes_are_refused(old: int, new: int) -> None:
    for proof in ([], [ROOTS[5]]):
        with pytest.raises(ProofError):
            merkle.verify_consistency(old, ROOTS[max(old, 0)], new, ROOTS[new], proof)
    with pytest.raises(ProofError):
        merkle.consistency_nodes(old, new)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (0, -1)])
def test_impossible_places_are_refused(index: int, size: int) -> None:
    with pytest.raises(ProofError):
        merkle.verify_inclusion(LEAVES[0], index, size, [], LEAVES[0])
    with pytest.raises(ProofError):
        merkle.inclusion_nodes(index, size)


def test_proofs_of_a_wrong_length_fail_for_roots_made_to_match() -> None:
    proof = inclusion(5, 21)
    with pytest.raises(ProofError, match="too long"):
        merkle.verify_inclusion(LEAVES[5], 5, 21, [*proof, OTHER], merkle.node_hash(OTHER, ROOTS[21]))
    with pytest.raises(ProofError):
        merkle.verify_inclusion(LEAVES[1], 1, 8, inclusion(1, 4), ROOTS[4])
    proof = consistency(3, 8)
    higher = [merkle.node_hash(OTHER, ROOTS[size]) for size in (3, 8)]
    with pytest.raises(ProofError, match="too long"):
        merkle.verify_consistency(3, higher[0], 8, higher[1], [*proof, OTHER])
    merkle.verify_consistency(3, ROOTS[3], 4, ROOTS[4], proof[:-1])
    with pytest.raises(ProofError):
        merkle.verify_consistency(3, ROOTS[3], 8, ROOTS[4], proof[:-1])


def test_a_forked_history_has_no_proof() -> None:
    forked, nodes = _grow([*LEAVES[:10], OTHER, *LEAVES[11:40]])
    proof = merkle.build_consistency(20, 40, nodes)
    merkle.verify_consistency(20, forked[20], 40, forked[40], proof)
    with pytest.raises(ProofError):
        merkle.verify_consistency(20, ROOTS[20], 40, forked[40], proof)
