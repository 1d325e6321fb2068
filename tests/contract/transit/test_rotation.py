"""Rotating, rewrapping, minimum versions, trimming, deleting: what destruction rests on (sealing.md section 3)."""

import asyncio

import pytest

from callward_keys.domain.errors import RefusalReason, TransitKeyMissing, TransitRefused, WrapRefused
from callward_keys.ports import MAX_REWRAP, KeyVersions, WrappedKey
from tests.contract.transit.conftest import FullTransit
from tests.contract.transit.test_bucket_keys import ONE, TWO, refusal


async def test_a_new_key_has_one_version(transit: FullTransit, bucket: str) -> None:
    assert await transit.versions(bucket) == KeyVersions(1, 1, 1, 1)


async def test_after_rotation_old_wraps_open_and_new_ones_are_of_the_new_version(
    transit: FullTransit, bucket: str
) -> None:
    old = await transit.generate_data_key(bucket, ONE)
    assert (await transit.rotate(bucket)).latest == 2
    new = await transit.generate_data_key(bucket, ONE)
    assert new.wrap.startswith("vault:v2:")
    assert await transit.unwrap(bucket, ONE, old.wrap) == old.plaintext
    assert await transit.unwrap(bucket, ONE, new.wrap) == new.plaintext


async def test_rotations_at_once_all_count(transit: FullTransit, bucket: str) -> None:
    await asyncio.gather(*(transit.rotate(bucket) for _ in range(5)))
    assert (await transit.versions(bucket)).latest == 6


async def test_rewrapping_keeps_key_and_context(transit: FullTransit, bucket: str) -> None:
    contexts = [f"recording-{number}".encode() for number in range(MAX_REWRAP)]
    made = [await transit.generate_data_key(bucket, context) for context in contexts]
    await transit.rotate(bucket)
    items = [WrappedKey(context, each.wrap) for context, each in zip(contexts, made, strict=True)]
    anew = await transit.rewrap(bucket, items)
    assert len(anew) == MAX_REWRAP
    assert all(wrap.startswith("vault:v2:") for wrap in anew)
    for index in (0, 1, MAX_REWRAP - 1):
        assert await transit.unwrap(bucket, contexts[index], anew[index]) == made[index].plaintext
    assert await refusal(transit, bucket, contexts[1], anew[0]) is RefusalReason.not_authentic


async def test_an_empty_batch_gives_nothing(transit: FullTransit, bucket: str) -> None:
    assert list(await transit.rewrap(bucket, [])) == []


async def test_a_batch_is_rewrapped_whole_or_not_at_all(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    with pytest.raises(WrapRefused) as caught:
        await transit.rewrap(bucket, [WrappedKey(ONE, made.wrap), WrappedKey(TWO, made.wrap)])
    assert (caught.value.reason, caught.value.index) == (RefusalReason.not_authentic, 1)


async def test_a_batch_that_is_too_large_is_refused(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    with pytest.raises(TransitRefused):
        await transit.rewrap(bucket, [WrappedKey(ONE, made.wrap)] * (MAX_REWRAP + 1))


async def test_raising_the_minimum_refuses_older_wraps_and_can_be_undone(
    transit: FullTransit, bucket: str
) -> None:
    old = await transit.generate_data_key(bucket, ONE)
    await transit.rotate(bucket)
    assert await transit.set_minimum(bucket, 2) == KeyVersions(2, 1, 2, 2)
    assert await refusal(transit, bucket, ONE, old.wrap) is RefusalReason.version_too_old
    with pytest.raises(WrapRefused):
        await transit.rewrap(bucket, [WrappedKey(ONE, old.wrap)])
    assert await transit.set_minimum(bucket, 1) == KeyVersions(2, 1, 1, 1)
    assert await transit.unwrap(bucket, ONE, old.wrap) == old.plaintext


@pytest.mark.parametrize("version", [0, 2])
async def test_a_minimum_is_a_version_that_is_available(
    transit: FullTransit, bucket: str, version: int
) -> None:
    with pytest.raises(TransitRefused):
        await transit.set_minimum(bucket, version)


async def test_what_is_above_the_minimum_is_not_trimmed(transit: FullTransit, bucket: str) -> None:
    old = await transit.generate_data_key(bucket, ONE)
    await transit.rotate(bucket)
    with pytest.raises(TransitRefused):
        await transit.trim(bucket, 2)
    assert await transit.unwrap(bucket, ONE, old.wrap) == old.plaintext


async def test_trimming_cannot_be_undone(transit: FullTransit, bucket: str) -> None:
    old = await transit.generate_data_key(bucket, ONE)
    await transit.rotate(bucket)
    await transit.set_minimum(bucket, 2)
    assert await transit.trim(bucket, 2) == KeyVersions(2, 2, 2, 2)
    assert await refusal(transit, bucket, ONE, old.wrap) is RefusalReason.version_trimmed
    with pytest.raises(TransitRefused):
        await transit.set_minimum(bucket, 1)
    with pytest.raises(TransitRefused):
        await transit.trim(bucket, 1)
    assert await transit.trim(bucket, 2) == KeyVersions(2, 2, 2, 2)
    assert await refusal(transit, bucket, ONE, old.wrap) is RefusalReason.version_trimmed


async def test_destroying_one_of_two_loses_that_one_and_only_that(transit: FullTransit, bucket: str) -> None:
    victim = await transit.generate_data_key(bucket, ONE)
    survivor = await transit.generate_data_key(bucket, TWO)
    latest = (await transit.rotate(bucket)).latest
    (anew,) = await transit.rewrap(bucket, [WrappedKey(TWO, survivor.wrap)])
    await transit.set_minimum(bucket, latest)
    assert (await transit.trim(bucket, latest)).min_available == latest
    assert await refusal(transit, bucket, ONE, victim.wrap) is RefusalReason.version_trimmed
    assert await transit.unwrap(bucket, TWO, anew) == survivor.plaintext


async def test_a_deleted_key_is_gone_also_when_its_name_is_used_again(
    transit: FullTransit, bucket: str
) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    await transit.delete_bucket_key(bucket)
    await transit.delete_bucket_key(bucket)
    with pytest.raises(TransitKeyMissing):
        await transit.unwrap(bucket, ONE, made.wrap)
    await transit.ensure_bucket_key(bucket)
    assert await refusal(transit, bucket, ONE, made.wrap) is RefusalReason.not_authentic


async def test_only_bucket_keys_are_deleted(transit: FullTransit, name: str) -> None:
    await transit.ensure_hmac_key(name)
    with pytest.raises(TransitRefused):
        await transit.delete_bucket_key(name)
    assert len(await transit.hmac(name, [b"message"])) == 1
