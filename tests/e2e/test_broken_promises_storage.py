"""Whoever can write to the store or to ingest's database can destroy a recording, and never change what is heard.

Each test breaks one thing behind the platform's back and demands that not one wrong byte leaves.
"""

import hashlib
import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest

from callward.ingest.v1.manifest_pb2 import Manifest
from tests.support.audio import FIRST_SEGMENT, SEGMENT, wav
from tests.support.doors import Callward, saw
from tests.support.journeys import PURPOSE, Recorded, ask_to_listen, media, record
from tests.support.platform import RunningPlatform
from tests.support.raw import RawUpload
from tests.support.waiting import eventually

STORED_SEGMENT = 65_536


@pytest.fixture
def recorded(callward: Callward) -> Recorded:
    found = record(callward, audio=wav(6, seed=secrets.randbits(30)))
    assert len(found.audio) > 5 * SEGMENT
    return found


def manifest_of(platform: RunningPlatform, recorded: Recorded) -> Manifest:
    (row,) = platform.sql(
        "ingest",
        "SELECT manifest FROM manifests WHERE recording_id = $1",
        recorded.recording_id,
        role="admin",
    )
    return Manifest.FromString(row["manifest"])


def object_of(platform: RunningPlatform, recorded: Recorded) -> Path:
    """The file that holds the recording's one part."""
    part = manifest_of(platform, recorded).renditions[0].parts[0]
    (found,) = platform.objects.rglob(f"{part.version_id}*.data")
    assert found.stat().st_size == part.ciphertext_size
    return found


@contextmanager
def changed(file: Path, change: Callable[[bytes], bytes]) -> Iterator[None]:
    """Puts other bytes into a file for the length of the block."""
    before = file.read_bytes()
    after = change(before)
    assert after != before
    file.write_bytes(after)
    try:
        yield
    finally:
        file.write_bytes(before)


def hear(callward: Callward, recorded: Recorded, *, byte_range: str | None = None) -> bytes | None:
    """Listens; returns what was answered in full, None when it was refused or broken off.

    Whatever came before the answer broke off has to be what was sent.
    """
    person = callward.person()
    path = media(person, recorded.recording_id)
    headers = {} if byte_range is None else {"Range": f"bytes={byte_range}"}
    start = 0 if byte_range is None else int(byte_range.split("-")[0])
    received = b""
    with httpx.Client(trust_env=False, timeout=60) as http:
        own = {"Authorization": f"Bearer {person.token}", **headers}
        with http.stream("GET", person.base + path, headers=own) as answer:
            if answer.status_code >= 400:
                answer.read()
                assert saw(answer) == (500, "integrity-failure"), answer.text
                return None
            try:
                for piece in answer.iter_raw():
                    received += piece
            except httpx.RemoteProtocolError:
                assert recorded.audio[start:].startswith(received)
                return None
    assert received in recorded.audio[start:]
    return received


def refused_at_once(callward: Callward, recorded: Recorded, *, byte_range: str = "0-") -> None:
    """Before the first byte, with the type that says so."""
    person = callward.person()
    answer = person.get(media(person, recorded.recording_id), headers={"Range": f"bytes={byte_range}"})
    assert saw(answer) == (500, "integrity-failure"), answer.text


def still_plays(callward: Callward, recorded: Recorded) -> None:
    assert hear(callward, recorded) == recorded.audio


def tail_of(recorded: Recorded) -> str:
    return f"{len(recorded.audio) - 100}-{len(recorded.audio) - 1}"


def test_a_dropped_tail(callward: Callward, platform: RunningPlatform, recorded: Recorded) -> None:
    file = object_of(platform, recorded)
    whole_segments = file.stat().st_size // STORED_SEGMENT * STORED_SEGMENT
    for size in (file.stat().st_size - 1, whole_segments, STORED_SEGMENT, 0):
        with changed(file, lambda stored, size=size: stored[:size]):  # type: ignore[misc]
            assert hear(callward, recorded) is None
            refused_at_once(callward, recorded, byte_range=tail_of(recorded))
    still_plays(callward, recorded)


def test_an_appended_tail_is_never_heard(
    callward: Callward, platform: RunningPlatform, recorded: Recorded
) -> None:
    with changed(object_of(platform, recorded), lambda stored: stored + stored[-STORED_SEGMENT:]):
        assert hear(callward, recorded) in (None, recorded.audio)


def test_swapped_segments(callward: Callward, platform: RunningPlatform, recorded: Recorded) -> None:
    def swap(stored: bytes) -> bytes:
        one, two = (stored[at * STORED_SEGMENT : (at + 1) * STORED_SEGMENT] for at in (1, 2))
        return stored[:STORED_SEGMENT] + two + one + stored[3 * STORED_SEGMENT :]

    with changed(object_of(platform, recorded), swap):
        assert hear(callward, recorded) is None
        refused_at_once(callward, recorded, byte_range=f"{FIRST_SEGMENT}-")
        # What lies outside the swapped segments is what it was.
        first = hear(callward, recorded, byte_range=f"0-{FIRST_SEGMENT - 1}")
        assert first == recorded.audio[:FIRST_SEGMENT]
        refused_at_once(callward, recorded, byte_range=f"{FIRST_SEGMENT}-{FIRST_SEGMENT}")


def test_one_changed_bit_anywhere(callward: Callward, platform: RunningPlatform, recorded: Recorded) -> None:
    file = object_of(platform, recorded)
    for at in (40, 65_535, 65_536, 200_000, file.stat().st_size - 1):
        with changed(file, lambda stored, at=at: stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :]):  # type: ignore[misc]
            assert hear(callward, recorded) is None


def test_the_stored_header_is_not_believed(
    callward: Callward, platform: RunningPlatform, recorded: Recorded
) -> None:
    """The manifest holds the header: another one in the store changes nothing, and names no other key."""
    with changed(object_of(platform, recorded), lambda stored: bytes(40) + stored[40:]):
        assert hear(callward, recorded) in (None, recorded.audio)


def test_another_recordings_object(callward: Callward, platform: RunningPlatform, recorded: Recorded) -> None:
    other = record(callward, audio=wav(6, seed=77))
    theirs = object_of(platform, other).read_bytes()
    file = object_of(platform, recorded)
    assert len(theirs) == file.stat().st_size
    with changed(file, lambda _: theirs):
        refused_at_once(callward, recorded)


def test_a_missing_object(callward: Callward, platform: RunningPlatform, recorded: Recorded) -> None:
    file = object_of(platform, recorded)
    away = file.with_name("moved-away")
    shutil.move(file, away)
    try:
        refused_at_once(callward, recorded)
    finally:
        shutil.move(away, file)
    still_plays(callward, recorded)


def test_an_abandoned_attempts_object_in_place_of_the_real_one(
    callward: Callward, platform: RunningPlatform
) -> None:
    """The same call, the same audio, the same sender: what an attempt left in the store still is not the recording."""
    sender, audio, key = callward.call_platform(), wav(6, seed=5), secrets.token_hex(8)
    recorded = record(callward, audio=audio)
    unfinished = platform.objects / "unfinished"
    with RawUpload(sender, recorded.call_id, announced=len(audio), key=key) as raw:
        raw.send(audio[:-1])
        wanted = 5 * STORED_SEGMENT

        def written() -> bytes | None:
            found = max((path.read_bytes() for path in unfinished.iterdir()), key=len, default=b"")
            return found[:wanted] if len(found) >= wanted else None

        abandoned = eventually(written, "the attempt's bytes in the store")
    file = object_of(platform, recorded)
    with changed(file, lambda stored: abandoned + stored[wanted:]):
        refused_at_once(callward, recorded)
    with changed(file, lambda stored: abandoned + bytes(len(stored) - wanted)):
        assert hear(callward, recorded) is None
    still_plays(callward, recorded)


@contextmanager
def rewritten(platform: RunningPlatform, table: str, where: str, columns: dict[str, bytes]) -> Iterator[None]:
    """Overwrites columns of one row as the database's owner, who can switch triggers off and on again."""
    names = sorted(columns)
    (before,) = platform.sql("ingest", f"SELECT {', '.join(names)} FROM {table} WHERE {where}", role="admin")

    def write(values: dict[str, Any]) -> None:
        assignments = ", ".join(f"{name} = '\\x{bytes(values[name]).hex()}'" for name in names)
        platform.sql(
            "ingest",
            f"ALTER TABLE {table} DISABLE TRIGGER ALL; UPDATE {table} SET {assignments} WHERE {where}; "
            f"ALTER TABLE {table} ENABLE TRIGGER ALL",
            role="admin",
        )

    write(dict(columns))
    try:
        yield
    finally:
        write(before)


def _truncating(manifest: Manifest) -> None:
    part = manifest.renditions[0].parts[0]
    part.ciphertext_size = 2 * STORED_SEGMENT
    part.plaintext_size = FIRST_SEGMENT + SEGMENT


def _renamed(manifest: Manifest) -> None:
    manifest.renditions[0].parts[0].version_id = "018f0000-0000-7000-8000-000000000000"


def _doubled(manifest: Manifest) -> None:
    manifest.renditions[0].parts.append(manifest.renditions[0].parts[0])


def _without_parts(manifest: Manifest) -> None:
    del manifest.renditions[0].parts[:]


def _newer(manifest: Manifest) -> None:
    manifest.version += 1


@pytest.mark.parametrize("change", [_truncating, _renamed, _doubled, _without_parts, _newer])
def test_a_manifest_changed_in_the_database(
    callward: Callward,
    platform: RunningPlatform,
    recorded: Recorded,
    change: Callable[[Manifest], None],
) -> None:
    manifest = manifest_of(platform, recorded)
    change(manifest)
    lie = manifest.SerializeToString(deterministic=True)
    digest = hashlib.sha256(lie).digest()
    with rewritten(
        platform,
        "manifests",
        f"recording_id = '{recorded.recording_id}'",
        {"manifest": lie, "sha256": digest},
    ):
        person = callward.person()
        answer = person.post(
            f"/v1/recordings/{recorded.recording_id}/listening-sessions", json={"purpose": PURPOSE}
        )
        if answer.status_code == 201:
            answer = person.get(answer.json()["mediaPath"])
        assert saw(answer) == (500, "integrity-failure"), answer.text
    still_plays(callward, recorded)


def test_another_recordings_manifest(
    callward: Callward, platform: RunningPlatform, recorded: Recorded
) -> None:
    other = manifest_of(platform, record(callward)).SerializeToString(deterministic=True)
    where = f"recording_id = '{recorded.recording_id}'"
    columns = {"manifest": other, "sha256": hashlib.sha256(other).digest()}
    with rewritten(platform, "manifests", where, columns):
        # It names another recording: that is seen before there is a session.
        answer = ask_to_listen(callward.person(), recorded.recording_id)
        assert saw(answer) == (500, "integrity-failure"), answer.text
    still_plays(callward, recorded)


def test_a_changed_sealed_document_of_a_call(
    callward: Callward, platform: RunningPlatform, recorded: Recorded
) -> None:
    person, path = callward.person(), f"/v1/recordings/{recorded.recording_id}/views"
    other = record(callward, notes="Another call's notes.")
    rows = {
        each.call_id: platform.sql(
            "ingest", "SELECT document FROM calls WHERE call_id = $1", each.call_id, role="admin"
        )[0]["document"]
        for each in (recorded, other)
    }
    own = rows[recorded.call_id]
    lies = [own[:-1] + bytes([own[-1] ^ 1]), own[:-20], b"", rows[other.call_id]]
    for lie in lies:
        columns = {"document": lie, "document_sha256": hashlib.sha256(lie).digest()}
        with rewritten(platform, "calls", f"call_id = '{recorded.call_id}'", columns):
            answer = person.post(path, json={"purpose": PURPOSE})
            assert saw(answer) == (500, "integrity-failure"), answer.text
            assert "Another call" not in answer.text
    assert person.post(path, json={"purpose": PURPOSE}).status_code == 200


def test_the_run_role_cannot_do_any_of_this(platform: RunningPlatform, recorded: Recorded) -> None:
    """What the tests above do takes the database's owner: the service's own role is refused."""
    for statement in (
        "UPDATE manifests SET manifest = ''",
        "DELETE FROM manifests",
        "TRUNCATE manifests",
        "ALTER TABLE manifests DISABLE TRIGGER ALL",
        "UPDATE calls SET document = ''",
        "DELETE FROM calls",
        "DELETE FROM recordings",
    ):
        with pytest.raises(asyncpg.PostgresError):
            platform.sql(
                "ingest",
                f"SELECT set_config('callward.tenant', 'bayview-hospital', true); {statement}",
                role="run",
            )
