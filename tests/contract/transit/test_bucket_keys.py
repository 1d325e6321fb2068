"""Wrapping data keys with derived keys."""

import asyncio

import pytest

from callward_keys.domain.errors import RefusalReason, TransitKeyMissing, TransitRefused, WrapRefused
from tests.contract.transit.conftest import FullTransit

ONE, TWO = b"recording-1", b"recording-2"


async def refusal(transit: FullTransit, bucket: str, context: bytes, wrap: str) -> RefusalReason:
    with pytest.raises(WrapRefused) as caught:
        await transit.unwrap(bucket, context, wrap)
    return caught.value.reason


async def test_a_wrap_opens_to_its_data_key(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    assert len(made.plaintext) == 32
    assert made.wrap.startswith("vault:v1:")
    assert await transit.unwrap(bucket, ONE, made.wrap) == made.plaintext


async def test_data_keys_and_wraps_are_never_alike(transit: FullTransit, bucket: str) -> None:
    made = [await transit.generate_data_key(bucket, ONE) for _ in range(20)]
    assert len({each.plaintext for each in made}) == len({each.wrap for each in made}) == 20


async def test_a_data_key_is_not_shown(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    assert repr(made.plaintext) not in repr(made)
    assert made.plaintext.hex() not in repr(made)


async def test_a_wrap_opens_under_its_context_only(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    assert await refusal(transit, bucket, TWO, made.wrap) is RefusalReason.not_authentic


async def test_a_wrap_opens_with_its_own_bucket_key_only(transit: FullTransit, bucket: str) -> None:
    await transit.ensure_bucket_key(f"{bucket}.other")
    made = await transit.generate_data_key(bucket, ONE)
    assert await refusal(transit, f"{bucket}.other", ONE, made.wrap) is RefusalReason.not_authentic


async def test_a_corrupted_wrap_is_refused(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    place = len("vault:v1:") + 30
    other = "A" if made.wrap[place] != "A" else "B"
    corrupted = made.wrap[:place] + other + made.wrap[place + 1 :]
    assert await refusal(transit, bucket, ONE, corrupted) is RefusalReason.not_authentic


@pytest.mark.parametrize(
    "text",
    [
        "",
        "vault:v1:",
        "vault:v1:AAAA",
        "vault:v0:AAAA",
        "vault:1:AAAA",
        "v1:AAAA",
        "vault:v1:???",
        "x" * 9999,
    ],
)
async def test_what_is_no_wrap_is_refused(transit: FullTransit, bucket: str, text: str) -> None:
    assert await refusal(transit, bucket, ONE, text) is RefusalReason.malformed


async def test_a_wrap_of_a_version_to_come_is_refused(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    later = made.wrap.replace("vault:v1:", "vault:v2:")
    assert await refusal(transit, bucket, ONE, later) is RefusalReason.version_unknown


async def test_making_a_key_again_changes_nothing(transit: FullTransit, bucket: str) -> None:
    made = await transit.generate_data_key(bucket, ONE)
    await transit.ensure_bucket_key(bucket)
    assert await transit.unwrap(bucket, ONE, made.wrap) == made.plaintext
    assert (await transit.versions(bucket)).latest == 1


async def test_a_key_that_was_never_made_is_missing(transit: FullTransit, name: str) -> None:
    with pytest.raises(TransitKeyMissing):
        await transit.generate_data_key(name, ONE)
    with pytest.raises(TransitKeyMissing):
        await transit.unwrap(name, ONE, "vault:v1:" + "A" * 60)
    with pytest.raises(TransitKeyMissing):
        await transit.rotate(name)
    with pytest.raises(TransitKeyMissing):
        await transit.versions(name)
    with pytest.raises(TransitKeyMissing):
        await transit.rewrap(name, [])


async def test_a_derived_key_needs_a_context(transit: FullTransit, bucket: str) -> None:
    with pytest.raises(TransitRefused):
        await transit.generate_data_key(bucket, b"")


@pytest.mark.parametrize("bad", ["", "a/b", "../x", ".hidden", "a b", "x" * 201])
async def test_a_malformed_name_is_refused(transit: FullTransit, bad: str) -> None:
    with pytest.raises(TransitRefused):
        await transit.ensure_bucket_key(bad)


async def test_a_key_of_another_kind_is_refused(transit: FullTransit, bucket: str) -> None:
    with pytest.raises(TransitRefused):
        await transit.ensure_signing_key(bucket)
    with pytest.raises(TransitRefused):
        await transit.hmac(bucket, [b"message"])
    with pytest.raises(TransitRefused):
        await transit.sign(bucket, 1, b"message")


async def test_many_at_once(transit: FullTransit, bucket: str) -> None:
    contexts = [f"recording-{number}".encode() for number in range(50)]
    made = await asyncio.gather(*(transit.generate_data_key(bucket, context) for context in contexts))
    opened = await asyncio.gather(
        *(transit.unwrap(bucket, context, each.wrap) for context, each in zip(contexts, made, strict=True))
    )
    assert list(opened) == [each.plaintext for each in made]


async def test_making_one_key_many_times_at_once_makes_one(transit: FullTransit, name: str) -> None:
    await asyncio.gather(*(transit.ensure_bucket_key(name) for _ in range(10)))
    made = await transit.generate_data_key(name, ONE)
    await asyncio.gather(*(transit.ensure_bucket_key(name) for _ in range(10)))
    assert await transit.unwrap(name, ONE, made.wrap) == made.plaintext
