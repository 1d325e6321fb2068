"""Receipts, checkpoints and the directory of signing keys."""

import hashlib
import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common.errors import InvalidRequest
from callward_crypto import jws
from callward_crypto.checkpoint import verify_note
from callward_crypto.merkle import build_consistency, leaf_hash
from callward_keys.domain import errors
from callward_keys.domain.checkpoints import Checkpoint
from callward_keys.domain.documents import RECEIPT_TYP, thumbprint
from callward_keys.domain.events import DocumentSigned
from tests.unit.keys.fakes import INGEST, World
from tests.unit.keys.reference import ORIGIN, proof, root
from tests.unit.keys.scene import MANIFEST, issued, recording, sealed, statement

LEAVES = [leaf_hash(f"event {number}".encode()) for number in range(40)]


def public_keys(world: World) -> dict[str, bytes]:
    return {key.key_id: key.public_key for key in world.public_keys.keys.values()}


def checkpoint(size: int, leaves: list[bytes] | None = None) -> Checkpoint:
    return Checkpoint(ORIGIN, size, root((leaves or LEAVES)[:size]))


async def test_a_receipt_verifies_and_states_what_was_sealed(world: World) -> None:
    subject = await sealed(world)
    key = world.key(subject.subject_id)
    stated = statement(subject, key.key_id, sender_commitment=bytes(range(32)))
    signed = await world.receipts.sign(INGEST, stated)
    payload = jws.verify(signed.jws, RECEIPT_TYP, public_keys(world))
    document = json.loads(payload)
    assert payload == json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert document["iss"] == "callward"
    assert document["manifest_sha256"] == MANIFEST.hex()
    assert document["key_commitment"] == key.commitment.hex()
    assert document["sealed_at"] == "2026-11-24T09:00:00.000000Z"
    assert document["sender_commitment_sha256"] == bytes(range(32)).hex()
    assert document["consent"]["citation"] == "Cal. Penal Code § 632"
    assert signed.sha256 == hashlib.sha256(signed.jws.encode()).digest()
    assert world.units.events[-1] == DocumentSigned(
        INGEST, "receipt", subject.tenant_id, subject.subject_id, signed.sha256, signed.signing_key_id
    )


async def test_a_receipt_of_a_quarantined_recording_says_why(world: World) -> None:
    subject = await sealed(world)
    stated = statement(
        subject, world.key(subject.subject_id).key_id, state="quarantined", reasons=("consent-revoked",)
    )
    document = json.loads(
        jws.verify((await world.receipts.sign(INGEST, stated)).jws, RECEIPT_TYP, public_keys(world))
    )
    assert (document["state"], document["reasons"]) == ("quarantined", ["consent-revoked"])
    assert "sender_commitment_sha256" not in document


async def test_the_same_statement_again_gives_the_same_document(world: World) -> None:
    subject = await sealed(world)
    stated = statement(subject, world.key(subject.subject_id).key_id)
    assert await world.receipts.sign(INGEST, stated) == await world.receipts.sign(INGEST, stated)


async def test_a_receipt_for_what_is_not_registered_is_refused(world: World) -> None:
    subject = await sealed(world)
    key_id = world.key(subject.subject_id).key_id
    another = await sealed(world)
    opened = recording()
    still_open = await issued(world, opened)
    for stated in (
        statement(subject, key_id, manifest_sha256=bytes(32)),
        statement(subject, world.key(another.subject_id).key_id),
        statement(recording(), key_id),
        statement(opened, still_open.key_id),
    ):
        with pytest.raises(errors.ManifestMismatch):
            await world.receipts.sign(INGEST, stated)
    assert not any(isinstance(event, DocumentSigned) for event in world.units.events)


def test_a_statement_that_contradicts_itself_is_refused() -> None:
    subject = recording()
    plan = statement(subject, "x").plan
    for changes in (
        {"state": "destroyed"},
        {"state": "quarantined"},
        {"reasons": ("consent-revoked",)},
        {"state": "quarantined", "reasons": ("Not a code",)},
        {"state": "quarantined", "reasons": ("a",) * 33},
        {"sender_commitment": b"short"},
        {"plan": type(plan)("c", plan.delete_after, plan.retain_until, "c", "v")},
        {"plan": type(plan)("", plan.retain_until, plan.delete_after, "c", "v")},
        {"plan": type(plan)("c", plan.retain_until, plan.delete_after, "a\nb", "v")},
        {"plan": type(plan)("c", plan.retain_until, plan.delete_after, "x" * 1001, "v")},
    ):
        with pytest.raises(InvalidRequest):
            statement(subject, "x", **changes)


async def test_a_checkpoint_verifies_as_a_signed_note(world: World) -> None:
    signed = await world.checkpoint_signing.sign(checkpoint(3), [])
    found = verify_note(signed.note, ORIGIN, public_keys(world)[signed.signing_key_id])
    assert (found.size, found.root) == (3, checkpoint(3).root)
    assert await world.checkpoint_signing.last(ORIGIN) == signed
    assert await world.checkpoint_signing.last("callward.example/logs/2027-0") is None


async def test_checkpoints_grow_and_tell_nobody(world: World) -> None:
    await world.checkpoint_signing.sign(checkpoint(3), [])
    await world.checkpoint_signing.sign(checkpoint(7), proof(LEAVES[:3], LEAVES[:7]))
    assert (await world.checkpoint_signing.last(ORIGIN)) is not None
    assert not world.units.events


async def test_the_same_checkpoint_again_gives_the_same_note(world: World) -> None:
    first = await world.checkpoint_signing.sign(checkpoint(3), [])
    signatures = world.transit.calls.count("sign")
    assert await world.checkpoint_signing.sign(checkpoint(3), []) == first
    assert world.transit.calls.count("sign") == signatures


async def test_what_contradicts_the_last_checkpoint_is_refused_and_alarms(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = await world.checkpoint_signing.sign(checkpoint(5), [])
    forged = [leaf_hash(b"another history"), *LEAVES[1:]]
    for wanted, shown in (
        (checkpoint(5, forged), []),
        (checkpoint(4), []),
        (checkpoint(9, forged), proof(forged[:5], forged[:9])),
        (checkpoint(9), []),
        (checkpoint(9), proof(LEAVES[:4], LEAVES[:9])),
        (checkpoint(9), [*proof(LEAVES[:5], LEAVES[:9]), bytes(32)]),
    ):
        caplog.clear()
        with pytest.raises(errors.CheckpointConflict):
            await world.checkpoint_signing.sign(wanted, shown)
        assert [record.levelname for record in caplog.records] == ["CRITICAL"]
    assert await world.checkpoint_signing.last(ORIGIN) == first


async def test_a_first_checkpoint_takes_no_proof(world: World) -> None:
    with pytest.raises(errors.CheckpointConflict):
        await world.checkpoint_signing.sign(checkpoint(3), [bytes(32)])


async def test_a_proof_that_is_none_by_its_form_is_malformed(world: World) -> None:
    for shown in ([b"short"], [bytes(32)] * 128):
        with pytest.raises(InvalidRequest):
            await world.checkpoint_signing.sign(checkpoint(3), shown)


@pytest.mark.parametrize(
    "origin", ["", "no-path", "Upper.example/x", "a b/c", "a/b+c", "a/b\nc", "http://a/b", "a/" * 200]
)
def test_an_origin_is_a_host_and_a_path(origin: str) -> None:
    with pytest.raises(InvalidRequest):
        Checkpoint(origin, 1, bytes(32))


async def test_the_empty_tree_may_come_first(world: World) -> None:
    empty = Checkpoint(ORIGIN, 0, hashlib.sha256(b"").digest())
    signed = await world.checkpoint_signing.sign(empty, [])
    assert await world.checkpoint_signing.sign(empty, []) == signed
    assert verify_note(signed.note, ORIGIN, public_keys(world)[signed.signing_key_id]).size == 0
    await world.checkpoint_signing.sign(checkpoint(3), [])
    with pytest.raises(errors.CheckpointConflict):
        await world.checkpoint_signing.sign(empty, [])


def test_a_checkpoint_has_a_size_and_the_root_of_it() -> None:
    for size, found in ((0, bytes(32)), (-1, bytes(32)), (2**63, bytes(32)), (1, b"")):
        with pytest.raises(InvalidRequest):
            Checkpoint(ORIGIN, size, found)


@given(st.integers(1, 39), st.integers(1, 40), st.integers(0, 39), st.data())
async def test_only_the_one_history_is_ever_signed(old: int, new: int, at: int, data: st.DataObject) -> None:
    """Whatever is tried after a first checkpoint: it is signed just when it continues the same leaves."""
    world = World()
    await world.checkpoint_signing.sign(checkpoint(old), [])
    changed = data.draw(st.booleans())
    leaves = [leaf_hash(b"forged") if changed and index == at else leaf for index, leaf in enumerate(LEAVES)]
    wanted = checkpoint(new, leaves)
    shown = proof(leaves[:old], leaves[:new]) if new > old else []
    same_history = not changed or at >= old
    if (new > old and same_history) or (new == old and same_history):
        assert (await world.checkpoint_signing.sign(wanted, shown)).checkpoint == wanted
    else:
        with pytest.raises(errors.CheckpointConflict):
            await world.checkpoint_signing.sign(wanted, shown)


def test_the_proofs_of_these_tests_are_those_of_the_library() -> None:
    nodes = {
        (level, index): root(LEAVES[index << level : (index + 1) << level])
        for level in range(6)
        for index in range(40 >> level)
    }
    assert proof(LEAVES[:5], LEAVES[:37]) == build_consistency(5, 37, nodes)


async def test_the_directory_has_every_type_before_the_first_document(world: World) -> None:
    keys, token = await world.keyring.page(0, "")
    assert {key.document_type.value for key in keys} == {"receipt", "mark", "checkpoint"}
    assert token == ""
    assert all(key.key_id == thumbprint(key.public_key) for key in keys)


async def test_rotation_is_seen_and_history_stays(world: World) -> None:
    subject = await sealed(world)
    await world.keyring.ensure()
    stated = statement(subject, world.key(subject.subject_id).key_id)
    old = await world.receipts.sign(INGEST, stated)
    world.clock.advance(timedelta(minutes=2))
    world.transit.rotate_signing("signing.receipt")
    new = await world.receipts.sign(INGEST, stated)
    assert old.signing_key_id != new.signing_key_id
    for signed in (old, new):
        jws.verify(signed.jws, RECEIPT_TYP, public_keys(world))
    newest, token = await world.keyring.page(1, "")
    assert [key.key_id for key in newest] == [new.signing_key_id]
    rest, end = await world.keyring.page(100, token)
    assert {key.key_id for key in (*newest, *rest)} == set(public_keys(world))
    assert end == ""


@pytest.mark.parametrize(("size", "token"), [(-1, ""), (1, "nonsense"), (1, "?" * 43), (1, "A" * 43)])
async def test_a_page_that_is_none_is_refused(world: World, size: int, token: str) -> None:
    with pytest.raises(InvalidRequest):
        await world.keyring.page(size, token)


def test_a_thumbprint_is_that_of_rfc_8037() -> None:
    # RFC 8037 appendix A.3.
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
