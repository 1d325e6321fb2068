"""Media that means harm: bounded in time and memory, a finding, never an error."""

import asyncio
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callward_ingest.domain.media import FindingCode
from callward_ingest.media import MediaLimits, media_readers
from callward_ingest.media.decoder import Decoded, Decoder
from tests.integration.ingest.media_files import G722, KINDS, Stored, cut, encode, report, tone

_FOLDER = Path(__file__).parents[2] / "unit" / "ingest" / "media" / "corpus"
CORPUS = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir())}
DECLARED = {name: kind.declared for name, kind in {**KINDS, "g722": G722}.items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("media")
    kinds = {**KINDS, "g722": G722}
    return {name: encode(kind, tone(kind.rate, 1, 0.4), folder) for name, kind in kinds.items()}


def ogg_page(payload: bytes, *, flags: int = 0, position: int = 0, serial: int = 1, number: int = 0) -> bytes:
    lacing = bytes([255] * (len(payload) // 255) + [len(payload) % 255])
    head = struct.pack("<4sBBqIII", b"OggS", 0, flags, position, serial, number, 0)
    page = bytearray(head + bytes([len(lacing)]) + lacing + payload)
    crc = 0
    for byte in page:
        crc = (crc ^ byte << 24) & 0xFFFFFFFF
        for _ in range(8):
            crc = (crc << 1 ^ (0x04C11DB7 if crc & 0x80000000 else 0)) & 0xFFFFFFFF
    page[22:26] = crc.to_bytes(4, "little")
    return bytes(page)


OPUS_HEAD = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 312, 48_000, 0, 0)


async def codes(declared: str, content: bytes, limits: MediaLimits | None = None) -> tuple[FindingCode, ...]:
    return (await report(declared, cut(content, [65_536]), limits=limits, stored=Stored(content))).facts.codes


@pytest.mark.parametrize("name", DECLARED)
@given(
    data=st.data(),
    changes=st.lists(
        st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8
    ),
    head_only=st.booleans(),
)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_changed_bytes_never_raise(
    files: dict[str, bytes],
    name: str,
    data: st.DataObject,
    changes: list[tuple[float, int]],
    head_only: bool,
) -> None:
    content = bytearray(files[name])
    reach = min(1024, len(content)) if head_only else len(content)
    for place, value in changes:
        content[int(place * reach)] = value
    declared = data.draw(st.sampled_from(sorted(set(DECLARED.values()) | {"audio/wav"})))
    found = await report(declared, [bytes(content)], stored=Stored(bytes(content)))
    assert found.facts.total_bytes == len(content)
    assert len(found.levels) in (0, found.facts.channels)


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("declared", ["audio/wav", "audio/ogg", "audio/mpeg", "audio/flac", "audio/mp4"])
async def test_the_corpus_never_raises(name: str, declared: str) -> None:
    content = CORPUS[name]
    found = await report(declared, cut(content, [97]), stored=Stored(content))
    assert found.facts.total_bytes == len(content)
    assert found.facts.quarantine_codes


async def test_hours_of_silence_in_a_few_bytes_end_at_the_cap(tmp_path: Path) -> None:
    samples = np.zeros((1, 3_000_000), np.int16)
    content = encode(KINDS["flac"], samples, tmp_path)
    assert len(content) < samples.size / 30
    found = await report("audio/flac", [content], limits=MediaLimits(max_samples=1_000_000))
    assert found.facts.quarantine_codes == (FindingCode.over_limits,)
    assert 900_000 < found.facts.frames <= 1_000_000
    assert found.levels[0].silence == 1.0


@pytest.mark.parametrize(
    "limits", [MediaLimits(max_channels=1), MediaLimits(max_sample_rate=7999), MediaLimits(max_packets=1)]
)
async def test_every_limit_of_decoding_is_held(tmp_path: Path, limits: MediaLimits) -> None:
    content = encode(KINDS["flac"], tone(8000, 2, 2), tmp_path)
    assert FindingCode.over_limits in await codes("audio/flac", content, limits)


async def test_endless_tags_are_passed_over_and_bounded(files: dict[str, bytes]) -> None:
    tag = b"ID3\x04\x00\x00" + bytes((0, 64, 0, 0))  # a megabyte
    tagged = (tag + bytes(1 << 20)) * 3 + files["mp3"]
    plain = await report("audio/mpeg", [files["mp3"]])
    found = await report("audio/mpeg", cut(tagged, [65_536]))
    assert (found.levels, found.peaks, found.facts.codes) == (plain.levels, plain.peaks, ())
    assert await codes("audio/mpeg", tagged, MediaLimits(max_tag_bytes=2 << 20)) == (FindingCode.over_limits,)


async def test_pictures_before_flac_are_passed_over(files: dict[str, bytes]) -> None:
    content = files["flac"]
    picture = bytes((6,)) + (1 << 20).to_bytes(3) + bytes(1 << 20)
    with_pictures = content[:4] + b"\0" + content[5:42] + picture * 3 + content[42:]
    plain = await report("audio/flac", [content])
    found = await report("audio/flac", cut(with_pictures, [4096]))
    assert (found.levels, found.peaks, found.facts.codes) == (plain.levels, plain.peaks, ())
    limits = MediaLimits(max_tag_bytes=1 << 20)
    assert await codes("audio/flac", with_pictures, limits) == (FindingCode.over_limits,)


async def test_endless_comments_in_ogg_are_bounded() -> None:
    pages = [ogg_page(OPUS_HEAD, flags=2)]
    pages += [ogg_page(bytes(60_000), flags=1, position=-1, number=number) for number in range(1, 4)]
    found = await codes("audio/ogg", b"".join(pages), MediaLimits(max_header_bytes=100_000))
    assert found[0] is FindingCode.over_limits


async def test_other_streams_are_found(files: dict[str, bytes], tmp_path: Path) -> None:
    beside = ogg_page(b"\x80theora", flags=2, serial=99)
    assert FindingCode.other_streams in await codes(
        "audio/ogg", files["ogg"][:47] + beside + files["ogg"][47:]
    )
    assert await codes("audio/ogg", ogg_page(b"\x01vorbis" + bytes(23), flags=2)) == (
        FindingCode.unsupported_codec,
    )
    path = tmp_path / "two.m4a"
    with av.open(str(path), "w", format="ipod") as container:
        for _ in range(2):
            container.add_stream("aac", rate=48_000, layout="mono")
        for stream in container.streams.audio:
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            frame.sample_rate = 48_000
            container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
    assert FindingCode.other_streams in await codes("audio/mp4", path.read_bytes())


async def test_a_change_of_rate_on_the_way_is_found(tmp_path: Path) -> None:
    kind = KINDS["mp3"]
    first = encode(kind, tone(44_100, 1, 1), tmp_path)
    other = encode(
        type(kind)("audio/mpeg", "mp3", "libmp3lame", "mp3", "mp3", 48_000), tone(48_000, 1, 1), tmp_path
    )
    assert FindingCode.inconsistent_header in await codes("audio/mpeg", first + other[200:])


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n",
        b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 0\r\n",
        b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'/>",
        b"\x1f\x8b\x08" + zlib.compress(bytes(10_000)),
        b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(200),
    ],
)
@pytest.mark.parametrize("declared", ["audio/mpeg", "audio/mp4", "audio/wav"])
async def test_what_names_other_files_is_no_audio(content: bytes, declared: str) -> None:
    assert await codes(declared, content) == (FindingCode.not_audio,)


async def test_a_playlist_within_a_container_leads_nowhere(files: dict[str, bytes]) -> None:
    tag = b"ID3\x04\x00\x00\x00\x00\x00\x00"
    assert await codes("audio/mpeg", tag + b"#EXTM3U\nfile:///etc/passwd\n" * 9) == (FindingCode.unreadable,)
    ftyp = files["m4a"][:32]
    assert FindingCode.unreadable in await codes("audio/mp4", ftyp + b"#EXTM3U\nfile:///etc/passwd\n" * 9)


@pytest.mark.parametrize("index", ["m4a", "m4a-index-last"])
@pytest.mark.parametrize(("size", "count"), [(1, 1 << 31), (0, 1 << 31), (7, 3_000_000)])
async def test_an_index_that_would_fill_memory_is_refused(
    files: dict[str, bytes], index: str, size: int, count: int
) -> None:
    content = bytearray(files[index])
    place = content.index(b"stsz") + 8
    content[place : place + 8] = struct.pack(">II", size, count)
    found = await codes("audio/mp4", bytes(content))
    assert set(found) <= {FindingCode.over_limits, FindingCode.unreadable}
    assert found


async def test_a_fragment_that_would_fill_memory_is_refused(files: dict[str, bytes]) -> None:
    content = bytearray(files["fragmented"])
    place = content.index(b"trun") + 4
    content[place : place + 8] = struct.pack(">II", 0, 0xFFFFFFFF)
    assert FindingCode.over_limits in await codes("audio/mp4", bytes(content))


def hold_decoder(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    def run(self: Decoder, source: object) -> Decoded:
        act()
        return Decoded()

    monkeypatch.setattr(Decoder, "run", run)


async def test_a_decoder_that_hangs_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    hold_decoder(monkeypatch, lambda: void(released.wait()))
    try:
        limits = MediaLimits(stall_seconds=0.05, max_buffered_bytes=65_536)
        found = await report("audio/ogg", [b"OggS" + bytes(300_000)] * 4, limits=limits)
        assert found.facts.quarantine_codes == (FindingCode.decoder_stalled,)
        assert found.facts.total_bytes == 4 * 300_004
    finally:
        released.set()


async def test_a_decoder_that_raises_becomes_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise MemoryError

    hold_decoder(monkeypatch, fail)
    found = await report("audio/ogg", [b"OggS" + bytes(300_000)] * 4)
    assert FindingCode.unreadable in found.facts.quarantine_codes


async def test_a_sender_waits_for_a_slow_decoder(monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    hold_decoder(monkeypatch, lambda: void(released.wait()))
    reader = media_readers(MediaLimits(max_buffered_bytes=65_536))("audio/ogg", None)
    feeding = asyncio.create_task(reader.feed(b"OggS" + bytes(300_000)))
    try:
        done, _ = await asyncio.wait({feeding}, timeout=0.2)
        assert not done
        released.set()
        await feeding
    finally:
        released.set()
        await reader.close()


async def test_closing_lets_the_thread_go(files: dict[str, bytes]) -> None:
    before = set(threading.enumerate())
    reader = media_readers()("audio/ogg", None)
    await reader.feed(files["ogg"][:500])
    started = set(threading.enumerate()) - before
    assert [thread.name for thread in started] == ["media-decoder"]
    await reader.close()
    await reader.close()
    for thread in started:
        await asyncio.to_thread(thread.join, 30)
        assert not thread.is_alive()
    with pytest.raises(ValueError, match="finished"):
        await reader.feed(b"more")
    # It cannot say any more what the content is, and does not guess.
    with pytest.raises(ValueError, match="closed"):
        await reader.finish()


def void(_: object) -> None:
    """Takes a value and gives none."""
