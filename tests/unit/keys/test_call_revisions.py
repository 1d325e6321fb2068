"""Keys of revisions of a call's metadata, and pseudonyms of external references."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common.errors import InvalidRequest
from callward_keys.domain.errors import KeyExists, KeyNotFound
from callward_keys.domain.model import KeyState, Subject, SubjectKind, Subkeys
from callward_keys.domain.policy import wrap_object_key
from callward_keys.domain.pseudonyms import IdentifierKind, message, normalise
from tests.unit.keys.fakes import INGEST, TENANT, World
from tests.unit.keys.scene import MANIFEST, SECRET, issued, opening, recording

REFERENCE = IdentifierKind.external_reference
METADATA = Subkeys((), metadata=True)


async def test_a_revision_has_a_key_of_its_own_which_opens_as_the_calls_does() -> None:
    world = World()
    call = Subject(TENANT, SubjectKind.call, recording().subject_id)
    revision = Subject(TENANT, SubjectKind.call_revision, call.subject_id)
    made = [await issued(world, subject, subkeys=METADATA) for subject in (call, revision)]
    assert made[0].key_id != made[1].key_id
    assert made[0].subkeys != made[1].subkeys
    with pytest.raises(KeyExists):
        await issued(world, revision, subkeys=METADATA)
    await world.issuing.seal(INGEST, revision, SECRET, MANIFEST)
    assert world.key(revision.subject_id, SubjectKind.call_revision).state is KeyState.sealed
    assert world.key(call.subject_id, SubjectKind.call).state is KeyState.open
    lease = await world.openings.open(opening(revision, rendition=None))
    assert (lease.manifest_sha256, lease.subkey) == (MANIFEST, made[1].subkeys[0].key)
    with pytest.raises(KeyNotFound):
        await world.openings.open(opening(recording(revision.subject_id)))


async def test_its_wrap_lies_apart_from_that_of_a_call_of_the_same_id() -> None:
    world = World()
    subject_id = recording().subject_id
    kinds = (SubjectKind.recording, SubjectKind.call, SubjectKind.call_revision)
    for kind in kinds:
        await issued(world, Subject(TENANT, kind, subject_id))
    assert len({wrap_object_key(world.key(subject_id, kind)) for kind in kinds}) == len(kinds)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(" crm-17 ", "crm-17"), ("CRM-17", "CRM-17"), ("a  b", "a  b"), ("e\u0301", "é"), ("ﬁ", "ﬁ")],
)
def test_an_external_reference_is_taken_as_it_is(value: str, expected: str) -> None:
    assert normalise(REFERENCE, value) == expected


@pytest.mark.parametrize("value", ["", "   ", "a\nb", "a\x00", "x" * 201])
def test_an_external_reference_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        normalise(REFERENCE, value)
    assert value.strip() == "" or value not in refused.value.detail


@given(st.text(min_size=1, max_size=200))
def test_normalising_twice_changes_nothing(value: str) -> None:
    try:
        once = normalise(REFERENCE, value)
    except InvalidRequest:
        return
    assert normalise(REFERENCE, once) == once
    kinds = [message(kind, "+15125550100") for kind in IdentifierKind]
    assert len(set(kinds)) == len(IdentifierKind)
