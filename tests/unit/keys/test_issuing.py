"""Issuing, issuing again, sealing, giving up."""

import json
from datetime import timedelta

import pytest

from callward_common.errors import InvalidRequest, Unavailable
from callward_crypto.keys import COMMITMENT_LABEL, METADATA_LABEL, derive_subkey, rendition_label
from callward_keys.domain import errors
from callward_keys.domain.events import KeyIssued, KeyRefused, KeySealed, KeyShredPending
from callward_keys.domain.model import BucketGroup, KeyState, Subject, SubjectKind, Subkeys
from tests.unit.keys.fakes import INGEST, TENANT, World
from tests.unit.keys.scene import GROUP, MANIFEST, ORIGINAL, SECRET, issue, issued, recording

OTHER = bytes(32)


def data_key(world: World, subject: Subject) -> bytes:
    key = world.key(subject.subject_id, subject.kind)
    return world.transit.buckets[key.transit_key][key.wrap][1]


def refusals(world: World) -> list[tuple[str | None, str]]:
    return [(tenant, event.reason) for tenant, event in world.units.refusals if isinstance(event, KeyRefused)]


async def test_issue_gives_subkeys_and_never_the_key(world: World) -> None:
    subject = recording()
    given = await issued(world, subject, subkeys=Subkeys(("original", "peaks"), metadata=True))
    key = data_key(world, subject)
    assert [(each.rendition, each.key) for each in given.subkeys] == [
        ("original", derive_subkey(key, rendition_label("original"))),
        ("peaks", derive_subkey(key, rendition_label("peaks"))),
        (None, derive_subkey(key, METADATA_LABEL)),
    ]
    assert given.commitment == derive_subkey(key, COMMITMENT_LABEL)
    assert given.open_until == world.clock.now() + timedelta(hours=24)
    assert key not in [each.key for each in given.subkeys]
    for each in given.subkeys:
        assert repr(each.key) not in repr(given)


async def test_issue_puts_the_wrap_on_record_with_its_event(world: World) -> None:
    subject = recording()
    given = await issued(world, subject)
    key = world.key(subject.subject_id)
    assert (key.state, key.key_id, key.commitment) == (KeyState.open, given.key_id, given.commitment)
    assert key.transit_key == f"bucket.{TENANT}.medical-record-adult.2033-11.1"
    assert world.units.events == [
        KeyIssued(INGEST, given.key_id, subject, key.transit_key, given.commitment, again=False)
    ]
    assert world.units.shared == [key.transit_key]


async def test_a_subject_gets_one_key_once(world: World) -> None:
    subject = recording()
    first = await issued(world, subject)
    with pytest.raises(errors.KeyExists):
        await issued(world, subject)
    assert world.key(subject.subject_id).key_id == first.key_id
    assert refusals(world) == [(TENANT, "key-exists")]


async def test_a_call_and_a_recording_of_one_id_are_two_subjects(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    call = Subject(TENANT, SubjectKind.call, subject.subject_id)
    await issued(world, call, subkeys=Subkeys((), metadata=True))
    assert data_key(world, subject) != data_key(world, call)


async def test_a_full_bucket_is_followed_by_another(world: World) -> None:
    subjects = [recording() for _ in range(7)]
    for subject in subjects:
        await issued(world, subject)
    names = [world.key(subject.subject_id).transit_key.rsplit(".", 1)[1] for subject in subjects]
    assert names == ["1", "1", "1", "2", "2", "2", "3"]


async def test_classes_and_months_do_not_share_a_bucket(world: World) -> None:
    subjects = [recording(), recording(), recording()]
    groups = [GROUP, BucketGroup(GROUP.retention_class, "2033-12"), BucketGroup("other", GROUP.expiry_month)]
    for subject, group in zip(subjects, groups, strict=True):
        await issued(world, subject, group=group)
    assert len({world.key(subject.subject_id).bucket_id for subject in subjects}) == 3


async def test_an_unknown_or_suspended_tenant_gets_no_key(world: World) -> None:
    world.tenants.active.clear()
    with pytest.raises(errors.TenantNotActive):
        await issued(world, recording())
    assert not world.transit.calls
    assert refusals(world) == [(TENANT, "tenant-not-active")]


async def test_transit_down_leaves_nothing(world: World) -> None:
    subject = recording()
    await issued(world, recording())
    world.transit.down = True
    with pytest.raises(errors.TransitUnavailable):
        await issued(world, subject)
    assert (SubjectKind.recording, subject.subject_id) not in world.units.tenants[TENANT].keys
    assert not refusals(world)
    world.transit.down = False
    await issued(world, subject)


async def test_reissue_gives_the_same_subkeys(world: World) -> None:
    subject = recording()
    first = await issued(world, subject)
    world.clock.advance(timedelta(hours=24))
    again = await world.issuing.reissue(INGEST, subject, SECRET, ORIGINAL)
    assert [each.key for each in again.subkeys] == [each.key for each in first.subkeys]
    assert again.open_until == first.open_until
    assert isinstance(world.units.events[-1], KeyIssued)
    assert world.units.events[-1].again


async def test_reissue_needs_the_secret(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    with pytest.raises(errors.WrongUploadSecret):
        await world.issuing.reissue(INGEST, subject, b"another", ORIGINAL)
    assert refusals(world) == [(TENANT, "wrong-upload-secret")]
    assert "unwrap" not in world.transit.calls


@pytest.mark.parametrize("secret", [b"", b"x" * 1025])
async def test_a_secret_out_of_bounds_is_malformed(world: World, secret: bytes) -> None:
    subject = recording()
    await issued(world, subject)
    with pytest.raises(InvalidRequest):
        await world.issuing.seal(INGEST, subject, secret, MANIFEST)


async def test_reissue_ends_with_the_limit_on_our_clock(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    world.clock.advance(timedelta(hours=24, seconds=1))
    with pytest.raises(errors.KeyExpired):
        await world.issuing.reissue(INGEST, subject, SECRET, ORIGINAL)
    with pytest.raises(errors.KeyExpired):
        await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    assert world.key(subject.subject_id).state is KeyState.open


async def test_a_sealed_key_is_never_issued_again(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    with pytest.raises(errors.KeyAlreadySealed):
        await world.issuing.reissue(INGEST, subject, SECRET, ORIGINAL)


async def test_seal_registers_the_manifest_and_keeps_the_wrap(world: World) -> None:
    subject = recording()
    given = await issued(world, subject)
    world.clock.advance(timedelta(minutes=5))
    key_id, sealed_at = await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    key = world.key(subject.subject_id)
    assert (key_id, sealed_at) == (given.key_id, world.clock.now())
    assert (key.state, key.manifest_sha256, key.sealed_at) == (KeyState.sealed, MANIFEST, sealed_at)
    assert world.units.events[-1] == KeySealed(INGEST, key_id, subject, MANIFEST)
    ((object_key, (content,)),) = world.wraps.objects.items()
    assert TENANT not in object_key
    assert subject.subject_id not in object_key
    kept = json.loads(content)
    assert (kept["wrap"], kept["commitment"], kept["key_id"]) == (key.wrap, key.commitment.hex(), key_id)


async def test_sealing_again_gives_the_same_answer(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    first = await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    events = len(world.units.events)
    world.clock.advance(timedelta(days=3))
    assert await world.issuing.seal(INGEST, subject, SECRET, MANIFEST) == first
    assert len(world.units.events) == events


async def test_sealing_with_another_manifest_is_refused(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    with pytest.raises(errors.ManifestConflict):
        await world.issuing.seal(INGEST, subject, SECRET, OTHER)
    assert world.key(subject.subject_id).manifest_sha256 == MANIFEST


async def test_a_wrap_that_opens_to_another_key_is_not_sealed(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    world.transit.swapped = True
    with pytest.raises(errors.CommitmentMismatch):
        await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    assert world.key(subject.subject_id).state is KeyState.open
    assert not world.wraps.objects
    assert refusals(world) == [(TENANT, "commitment-mismatch")]


async def test_a_crash_between_wrap_object_and_commit_is_completed_by_a_retry(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    world.units.commit_fails = Unavailable("The database went away.")
    with pytest.raises(Unavailable):
        await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    assert len(world.wraps.objects) == 1
    assert world.key(subject.subject_id).state is KeyState.open
    await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    assert [len(versions) for versions in world.wraps.objects.values()] == [1]
    assert world.key(subject.subject_id).state is KeyState.sealed


async def test_what_was_never_issued_is_not_found(world: World) -> None:
    subject = recording()
    with pytest.raises(errors.KeyNotFound):
        await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    assert refusals(world) == [(TENANT, "key-not-found")]


async def test_giving_up_marks_for_destruction(world: World) -> None:
    subject = recording()
    given = await issued(world, subject)
    assert await world.issuing.abandon(INGEST, subject, SECRET, "body-incomplete") == given.key_id
    assert world.units.events[-1] == KeyShredPending(INGEST, given.key_id, subject, "body-incomplete")
    assert await world.issuing.abandon(INGEST, subject, SECRET, "another-reason") == given.key_id
    key = world.key(subject.subject_id)
    assert (key.state, key.shred_reason) == (KeyState.shred_pending, "body-incomplete")
    assert len([event for event in world.units.events if isinstance(event, KeyShredPending)]) == 1
    with pytest.raises(errors.KeyShredded):
        await world.issuing.reissue(INGEST, subject, SECRET, ORIGINAL)
    with pytest.raises(errors.KeyShredded):
        await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)


async def test_a_late_upload_can_still_be_given_up(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    world.clock.advance(timedelta(days=30))
    await world.issuing.abandon(INGEST, subject, SECRET, "late")
    assert world.key(subject.subject_id).state is KeyState.shred_pending


async def test_an_open_key_whose_upload_is_gone_does_not_stay_open(world: World) -> None:
    lost, kept = recording(), recording()
    given = await issued(world, lost)
    await issued(world, kept)
    await world.issuing.seal(INGEST, kept, SECRET, MANIFEST)
    world.clock.advance(timedelta(hours=24))
    await issued(world, recording())
    assert world.key(lost.subject_id).state is KeyState.open
    world.clock.advance(timedelta(seconds=1))
    late = await issued(world, recording())
    key = world.key(lost.subject_id)
    assert (key.state, key.shred_reason) == (KeyState.shred_pending, "key-expired")
    assert world.key(kept.subject_id).state is KeyState.sealed
    told = [event for event in world.units.events if isinstance(event, KeyShredPending)]
    assert told == [KeyShredPending(INGEST, given.key_id, lost, "key-expired")]
    assert late.subkeys


async def test_a_sealed_key_is_not_given_up(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    with pytest.raises(errors.KeyAlreadySealed):
        await world.issuing.abandon(INGEST, subject, SECRET, "mistake")
    with pytest.raises(errors.WrongUploadSecret):
        await world.issuing.abandon(INGEST, subject, b"wrong", "mistake")


async def test_a_reason_is_a_code(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    with pytest.raises(InvalidRequest):
        await world.issuing.abandon(INGEST, subject, SECRET, "The patient, Mrs Example, hung up")


async def test_a_refusal_that_cannot_be_put_on_record_is_an_outage(world: World) -> None:
    world.units.refusals_fail = Unavailable("The database went away.")
    with pytest.raises(Unavailable):
        await world.issuing.seal(INGEST, recording(), SECRET, MANIFEST)


def test_what_is_malformed_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        issue(recording(), upload_secret_sha256=b"short")
    for bad_class in ("", "Adult", "a.b", "a/b", "-a", "x" * 65):
        with pytest.raises(InvalidRequest):
            BucketGroup(bad_class, "2033-11")
    for bad_month in ("", "2033-13", "2033-00", "33-11", "2033-1", "2033-11-01", "1969-12"):
        with pytest.raises(InvalidRequest):
            BucketGroup("adult", bad_month)
    for bad_names in (("Original",), ("a", "a"), ("a/b",), tuple(f"r{n}" for n in range(17))):
        with pytest.raises(InvalidRequest):
            Subkeys(bad_names, metadata=False)
    for bad_tenant in ("", "a/b", "a b", ".a", "x" * 65):
        with pytest.raises(InvalidRequest):
            Subject(bad_tenant, SubjectKind.call, "x")
