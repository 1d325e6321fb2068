"""The local key ring on disk: what survives, what a crash leaves, what nobody reads there."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NoReturn

import pytest

from callward_embedded import files
from callward_embedded.key_ring import LocalTransit
from callward_embedded.key_ring_files import KeyFiles, RingDamaged, RingKey
from callward_keys.domain.errors import TransitKeyMissing, TransitUnavailable
from callward_keys.ports import WrappedKey
from tests.support.clock import ManualClock

CONTEXT = b"recording-1"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "transit"


@pytest.fixture
async def ring(folder: Path) -> AsyncIterator[LocalTransit]:
    opened = LocalTransit(folder, ManualClock())
    await opened.ensure_bucket_key("bucket")
    yield opened
    await opened.close()


def stored(folder: Path, name: str = "bucket") -> RingKey:
    key = KeyFiles(folder).load(name)
    assert key is not None
    return key


def key_files(folder: Path) -> set[Path]:
    return {path for path in folder.glob("*.key") if path.name != "file.key"}


def entries(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_nothing_is_touched_before_it_is_needed(folder: Path, tmp_path: Path) -> None:
    opened = LocalTransit(folder, ManualClock())
    with pytest.raises(TransitKeyMissing):
        await opened.versions("bucket")
    assert entries(tmp_path) == []
    await opened.close()


async def test_a_second_life_has_the_same_keys(ring: LocalTransit, folder: Path) -> None:
    made = await ring.generate_data_key("bucket", CONTEXT)
    await ring.rotate("bucket")
    await ring.ensure_hmac_key("hmac")
    await ring.ensure_signing_key("signing")
    pseudonyms, public = await ring.hmac("hmac", [b"a"]), await ring.public_keys("signing")
    again = LocalTransit(folder, ManualClock())
    assert await again.unwrap("bucket", CONTEXT, made.wrap) == made.plaintext
    assert await again.versions("bucket") == await ring.versions("bucket")
    assert list(await again.hmac("hmac", [b"a"])) == list(pseudonyms)
    assert list(await again.public_keys("signing")) == list(public)
    await again.close()


async def test_files_are_for_their_owner_and_tell_nothing(ring: LocalTransit, folder: Path) -> None:
    await ring.ensure_hmac_key("pseudonym.mercy-general.2026Q4")
    secrets = [
        stored(folder).versions[1].secret,
        stored(folder, "pseudonym.mercy-general.2026Q4").versions[1].secret,
    ]
    look_through(folder, secrets)


def look_through(folder: Path, secrets: list[bytes]) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    for path in folder.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
        assert "mercy" not in path.name
        content = path.read_bytes()
        assert b"mercy" not in content
        for secret in secrets:
            assert secret not in content
            assert base64.b64encode(secret) not in content


def test_no_representation_shows_a_secret(folder: Path) -> None:
    async def make() -> LocalTransit:
        opened = LocalTransit(folder, ManualClock())
        await opened.ensure_bucket_key("bucket")
        await opened.close()
        return opened

    opened = asyncio.run(make())
    key = stored(folder)
    for shown in (repr(opened), repr(key), str(key.versions), repr(vars(opened))):
        assert repr(key.versions[1].secret) not in shown


async def test_what_is_trimmed_is_not_in_the_file_any_more(ring: LocalTransit, folder: Path) -> None:
    old = stored(folder).versions[1].secret
    await ring.rotate("bucket")
    await ring.set_minimum("bucket", 2)
    assert stored(folder).versions[1].secret == old
    await ring.trim("bucket", 2)
    assert set(stored(folder).versions) == {2}
    assert old not in [version.secret for version in stored(folder).versions.values()]


async def test_what_is_deleted_is_no_file_any_more(ring: LocalTransit, folder: Path) -> None:
    assert len(key_files(folder)) == 1
    await ring.delete_bucket_key("bucket")
    assert not key_files(folder)


async def test_two_rings_on_one_folder_see_each_other(ring: LocalTransit, folder: Path) -> None:
    other = LocalTransit(folder, ManualClock())
    made = await ring.generate_data_key("bucket", CONTEXT)
    assert await other.unwrap("bucket", CONTEXT, made.wrap) == made.plaintext
    rotations = [each.rotate("bucket") for each in (ring, other) for _ in range(5)]
    await asyncio.gather(*rotations)
    assert (await ring.versions("bucket")).latest == (await other.versions("bucket")).latest == 11
    newer = await other.generate_data_key("bucket", CONTEXT)
    assert newer.wrap.startswith("vault:v11:")
    assert await ring.unwrap("bucket", CONTEXT, newer.wrap) == newer.plaintext
    await other.close()


def crash(*_: object, **__: object) -> NoReturn:
    raise OSError("the power went out")


Break = Callable[[pytest.MonkeyPatch], None]
#: The steps of replacing a file, each of which a crash may hit.
BREAKS: dict[str, Break] = {
    "when opening": lambda patch: patch.setattr("callward_embedded.files.os.open", crash),
    "before the bytes are durable": lambda patch: patch.setattr("callward_embedded.files.os.fsync", crash),
    "before the rename": lambda patch: patch.setattr(Path, "rename", crash),
}


@pytest.mark.parametrize("step", BREAKS)
async def test_a_crash_leaves_the_old_key_whole(
    ring: LocalTransit, folder: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    made = await ring.generate_data_key("bucket", CONTEXT)
    with monkeypatch.context() as patch:
        BREAKS[step](patch)
        with pytest.raises(TransitUnavailable):
            await ring.rotate("bucket")
    again = LocalTransit(folder, ManualClock())
    for each in (ring, again):
        assert (await each.versions("bucket")).latest == 1
        assert await each.unwrap("bucket", CONTEXT, made.wrap) == made.plaintext
    await again.close()
    assert (await ring.rotate("bucket")).latest == 2


async def test_a_crash_after_the_rename_leaves_the_new_key_whole(
    ring: LocalTransit, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await ring.generate_data_key("bucket", CONTEXT)
    with monkeypatch.context() as patch:
        patch.setattr(files, "sync_folder", crash)
        with pytest.raises(TransitUnavailable):
            await ring.rotate("bucket")
    assert (await ring.versions("bucket")).latest == 2
    assert await ring.unwrap("bucket", CONTEXT, made.wrap) == made.plaintext


async def test_what_a_killed_process_left_is_swept(ring: LocalTransit, folder: Path) -> None:
    leftover = folder / ".abc.key.0123abcd.tmp"
    leftover.write_bytes(b"half a key")
    await ring.rotate("bucket")
    assert not leftover.exists()


async def test_without_its_file_key_the_ring_stays_shut(ring: LocalTransit, folder: Path) -> None:
    (folder / "file.key").unlink()
    again = LocalTransit(folder, ManualClock())
    with pytest.raises(TransitUnavailable):
        await again.versions("bucket")
    with pytest.raises(TransitUnavailable):
        await again.ensure_bucket_key("another")
    assert not (folder / "file.key").exists()
    await again.close()


async def test_a_file_key_that_others_can_read_is_refused(ring: LocalTransit, folder: Path) -> None:
    (folder / "file.key").chmod(0o644)
    again = LocalTransit(folder, ManualClock())
    with pytest.raises(TransitUnavailable):
        await again.versions("bucket")
    await again.close()


@pytest.mark.parametrize("place", [0, 25, -1])
async def test_a_damaged_file_is_refused(ring: LocalTransit, folder: Path, place: int) -> None:
    (path,) = key_files(folder)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(TransitUnavailable):
        await ring.versions("bucket")


async def test_a_file_in_the_place_of_another_is_refused(ring: LocalTransit, folder: Path) -> None:
    (mine,) = key_files(folder)
    await ring.ensure_bucket_key("other")
    (other,) = key_files(folder) - {mine}
    mine.write_bytes(other.read_bytes())
    with pytest.raises(RingDamaged):
        stored(folder)


async def test_signing_keys_rotate_and_older_versions_stay(ring: LocalTransit) -> None:
    await ring.ensure_signing_key("signing")
    await ring.rotate_signing_key("signing")
    keys = await ring.public_keys("signing")
    assert [key.version for key in keys] == [1, 2]
    assert await ring.sign("signing", 1, b"m") != await ring.sign("signing", 2, b"m")


async def test_a_full_bucket_is_rewrapped_in_batches(ring: LocalTransit) -> None:
    made = [await ring.generate_data_key("bucket", CONTEXT) for _ in range(480)]
    await ring.rotate("bucket")
    for start in (0, 240):
        batch = [WrappedKey(CONTEXT, each.wrap) for each in made[start : start + 240]]
        assert len(await ring.rewrap("bucket", batch)) == 240
