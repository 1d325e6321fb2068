"""Signing keys and HMAC keys."""

import asyncio

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from callward_keys.domain.errors import TransitKeyMissing, TransitRefused
from callward_keys.ports import MAX_REWRAP
from tests.contract.transit.conftest import FullTransit


async def test_a_signature_verifies_under_the_public_half(transit: FullTransit, name: str) -> None:
    await transit.ensure_signing_key(name)
    (public,) = await transit.public_keys(name)
    signature = await transit.sign(name, public.version, b"message")
    Ed25519PublicKey.from_public_bytes(public.public_key).verify(signature, b"message")
    assert public.version == 1
    assert public.created_at.tzinfo is not None


async def test_making_a_signing_key_again_changes_nothing(transit: FullTransit, name: str) -> None:
    await asyncio.gather(*(transit.ensure_signing_key(name) for _ in range(5)))
    before = await transit.public_keys(name)
    await transit.ensure_signing_key(name)
    assert list(await transit.public_keys(name)) == list(before)


async def test_a_version_that_is_not_there_does_not_sign(transit: FullTransit, name: str) -> None:
    await transit.ensure_signing_key(name)
    with pytest.raises(TransitRefused):
        await transit.sign(name, 2, b"message")


async def test_a_signing_key_that_was_never_made_is_missing(transit: FullTransit, name: str) -> None:
    with pytest.raises(TransitKeyMissing):
        await transit.sign(name, 1, b"message")
    with pytest.raises(TransitKeyMissing):
        await transit.public_keys(name)


async def test_pseudonyms_are_stable_in_order_and_of_their_key(transit: FullTransit, name: str) -> None:
    other = f"{name}.other"
    await transit.ensure_hmac_key(name)
    await transit.ensure_hmac_key(other)
    first, second, again = await transit.hmac(name, [b"a", b"b", b"a"])
    assert first == again != second
    assert len(first) == 32
    await transit.ensure_hmac_key(name)
    assert list(await transit.hmac(name, [b"b", b"a"])) == [second, first]
    assert list(await transit.hmac(other, [b"a"])) != [first]
    assert list(await transit.hmac(name, [])) == []


async def test_hmac_batches_are_bounded(transit: FullTransit, name: str) -> None:
    await transit.ensure_hmac_key(name)
    assert len(await transit.hmac(name, [b"a"] * MAX_REWRAP)) == MAX_REWRAP
    with pytest.raises(TransitRefused):
        await transit.hmac(name, [b"a"] * (MAX_REWRAP + 1))


async def test_an_hmac_key_that_was_never_made_is_missing(transit: FullTransit, name: str) -> None:
    with pytest.raises(TransitKeyMissing):
        await transit.hmac(name, [b"a"])
