"""Opening a sealed key for a person."""

from dataclasses import replace
from datetime import timedelta

import pytest

from callward_common.errors import CallwardError, InvalidRequest, Unavailable
from callward_common.identity import ANONYMOUS
from callward_crypto.keys import METADATA_LABEL, derive_subkey, rendition_label
from callward_keys.domain import errors
from callward_keys.domain.events import KeyOpened, KeyRefused
from callward_keys.domain.model import Subject, SubjectKind
from callward_keys.domain.purposes import PURPOSES
from tests.unit.keys.fakes import INGEST, PERSON, TENANT, World
from tests.unit.keys.scene import MANIFEST, SECRET, issued, opening, recording, sealed


async def refused(world: World, **changes: object) -> tuple[CallwardError, str | None, KeyRefused]:
    """Opens and is refused: the error, and what is on record of it."""
    subject = changes.pop("subject", None) or await sealed(world)
    assert isinstance(subject, Subject)
    events = len(world.units.events)
    with pytest.raises(CallwardError) as caught:
        await world.openings.open(opening(subject, **changes))
    assert len(world.units.events) == events
    ((tenant, event),) = world.units.refusals
    assert isinstance(event, KeyRefused)
    return caught.value, tenant, event


async def test_a_person_gets_one_subkey_as_a_lease(world: World) -> None:
    subject = await sealed(world)
    key = world.key(subject.subject_id)
    data_key = world.transit.buckets[key.transit_key][key.wrap][1]
    wanted = opening(subject)
    lease = await world.openings.open(wanted)
    assert lease.subkey == derive_subkey(data_key, rendition_label("original"))
    assert (lease.key_id, lease.manifest_sha256) == (key.key_id, MANIFEST)
    assert lease.expires_at == world.clock.now() + timedelta(seconds=60)
    assert repr(lease.subkey) not in repr(lease)
    assert world.units.events[-1] == KeyOpened(
        PERSON, key.key_id, subject, "original", "TREAT", wanted.grant_event_id, lease.expires_at
    )
    metadata = await world.openings.open(opening(subject, rendition=None))
    assert metadata.subkey == derive_subkey(data_key, METADATA_LABEL)


async def test_the_last_opening_is_on_record(world: World) -> None:
    subject = await sealed(world)
    await world.openings.open(opening(subject))
    world.clock.advance(timedelta(seconds=5))
    await world.openings.open(opening(subject))
    assert world.key(subject.subject_id).last_opened_at == world.clock.now()


async def test_no_event_no_key(world: World) -> None:
    subject = await sealed(world)
    world.units.commit_fails = Unavailable("The database went away.")
    with pytest.raises(Unavailable):
        await world.openings.open(opening(subject))
    assert not any(isinstance(event, KeyOpened) for event in world.units.events)


@pytest.mark.parametrize(("token", "reason"), [("nonsense", "token-invalid"), ("expired", "token-expired")])
async def test_who_is_not_known_is_refused(world: World, token: str, reason: str) -> None:
    error, tenant, event = await refused(world, person_token=token)
    assert error.type == event.reason == reason
    assert (tenant, event.actor) == (TENANT, ANONYMOUS)


async def test_an_unknown_token_for_an_unknown_tenant_is_on_record_without_one(world: World) -> None:
    subject = Subject("no-such-tenant", SubjectKind.recording, recording().subject_id)
    _, tenant, _ = await refused(world, subject=subject, person_token="nonsense")
    assert tenant is None


async def test_one_factor_is_not_enough(world: World) -> None:
    error, tenant, event = await refused(world, person_token="no-mfa")
    assert (error.type, tenant) == ("mfa-required", TENANT)
    assert event.actor == PERSON


async def test_another_tenants_token_finds_nothing(world: World) -> None:
    error, tenant, event = await refused(world, person_token="foreign")
    missing = errors.KeyNotFound("The tenant has no key for this subject.")
    assert (error.type, error.detail, error.extra) == (missing.type, missing.detail, missing.extra)
    assert (tenant, event.reason) == ("other-clinic", "tenant-mismatch")


async def test_another_tenants_subject_looks_as_if_there_were_none(world: World) -> None:
    subject = await sealed(world)
    foreign = replace(subject, tenant_id="other-clinic")
    error, _, _ = await refused(world, subject=foreign, person_token="foreign")
    world.units.refusals.clear()
    absent, _, _ = await refused(world, subject=recording())
    assert (error.type, error.detail) == (absent.type, absent.detail) == ("key-not-found", error.detail)


@pytest.mark.parametrize("purpose", ["", "treat", "CURIOSITY", "TREAT "])
async def test_an_unknown_purpose_is_refused(world: World, purpose: str) -> None:
    error, _, event = await refused(world, purpose=purpose)
    assert error.type == event.reason == "unknown-purpose"


async def test_every_known_purpose_opens(world: World) -> None:
    subject = await sealed(world)
    for purpose in sorted(PURPOSES):
        await world.openings.open(opening(subject, purpose=purpose))


async def test_an_open_key_opens_for_nobody(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    error, _, _ = await refused(world, subject=subject)
    assert error.type == "key-not-sealed"


async def test_an_abandoned_key_opens_for_nobody(world: World) -> None:
    subject = recording()
    await issued(world, subject)
    await world.issuing.abandon(INGEST, subject, SECRET, "body-incomplete")
    error, _, _ = await refused(world, subject=subject)
    assert error.type == "key-shredded"


async def test_a_wrap_that_opens_to_another_key_gives_none(world: World) -> None:
    subject = await sealed(world)
    world.transit.swapped = True
    error, _, event = await refused(world, subject=subject)
    assert error.type == event.reason == "commitment-mismatch"


async def test_transit_down_is_an_outage_and_no_refusal(world: World) -> None:
    subject = await sealed(world)
    world.transit.down = True
    with pytest.raises(errors.TransitUnavailable):
        await world.openings.open(opening(subject))
    assert not world.units.refusals


def test_a_malformed_rendition_is_refused() -> None:
    with pytest.raises(InvalidRequest):
        opening(recording(), rendition="../metadata")


def test_a_token_is_not_shown() -> None:
    assert "good" not in repr(opening(recording()))
