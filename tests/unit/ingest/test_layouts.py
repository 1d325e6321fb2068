"""Where samples lie: known from the head alone, however it is cut, and equal to what the whole file says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.layouts import LayoutReader
from callward_ingest.domain.media import SampleLayout
from callward_ingest.domain.media_types import RawFormat
from callward_ingest.domain.signatures import container_of
from tests.unit.ingest.wav_files import ALAW, MULAW, PCM, UNKNOWN, chunk, fmt, read, rf64, wav

AUDIO = bytes(range(256)) * 6


def layout_of(*pieces: bytes, raw: RawFormat | None = None) -> tuple[SampleLayout | None, bool]:
    reader = LayoutReader(raw)
    for piece in pieces:
        reader.feed(piece)
    return reader.layout, reader.settled


@pytest.mark.parametrize(
    ("head", "silence"),
    [
        (fmt(MULAW, 2), b"\xff\xff"),
        (fmt(ALAW, 1), b"\xd5"),
        (fmt(PCM, 2, bits=8), b"\x80\x80"),
        (fmt(PCM, 2, bits=24), bytes(6)),
    ],
)
@given(cut=st.integers(0, 60))
def test_the_layout_is_what_the_whole_file_says(head: bytes, silence: bytes, cut: int) -> None:
    body = wav(chunk(b"LIST", b"odd"), head, chunk(b"data", AUDIO), chunk(b"LIST", b"tail"))
    facts = read(body)
    layout, settled = layout_of(body[:cut], body[cut:])
    assert settled
    assert facts.data_offset is not None
    assert layout == SampleLayout(facts.data_offset, len(silence), 8000, silence, len(AUDIO))
    # It is known once the audio begins, and not before.
    assert layout_of(body[: facts.data_offset]) == (layout, True)
    assert layout_of(body[: facts.data_offset - 1]) == (None, False)


@pytest.mark.parametrize(
    "body",
    [
        wav(fmt(), chunk(b"data", AUDIO, UNKNOWN), size=UNKNOWN),
        wav(fmt(), chunk(b"data", AUDIO, 0), size=38),
    ],
)
def test_an_undeclared_size_is_none(body: bytes) -> None:
    layout, _ = layout_of(body)
    assert layout is not None
    assert layout.data_size is None


def test_the_size_of_rf64_is_its_own() -> None:
    layout, _ = layout_of(rf64(len(AUDIO) + 90, len(AUDIO), AUDIO))
    assert layout is not None
    assert layout.data_size == len(AUDIO)


@pytest.mark.parametrize(
    ("raw", "layout"),
    [
        (RawFormat("pcm_mulaw", 8000, 2), SampleLayout(0, 2, 8000, b"\xff\xff")),
        (RawFormat("pcm_alaw", 16000, 1), SampleLayout(0, 1, 16000, b"\xd5")),
        (RawFormat("g722", 16000, 1), None),
    ],
)
def test_raw_audio_begins_at_once(raw: RawFormat, layout: SampleLayout | None) -> None:
    assert layout_of(b"\xff" * 20, raw=raw) == (layout, True)
    # What it is declared to be does not make a WAV file raw.
    wave = wav(fmt(), chunk(b"data", AUDIO))
    assert layout_of(wave, raw=raw) == layout_of(wave)


@pytest.mark.parametrize(
    "first", [b"OggS", b"fLaC", b"ID3\4", b"\0\0\0\x18ftyp", b"text", b"\xff\xfb\x90\x64"]
)
def test_what_cannot_be_addressed_has_none(first: bytes) -> None:
    assert layout_of(first.ljust(20, b"\0")) == (None, True)


def test_a_header_that_cannot_be_counted_by_has_none() -> None:
    layout, _ = layout_of(wav(fmt(tag=0x55), chunk(b"data", AUDIO)))
    assert layout is None


@pytest.mark.parametrize(
    ("first", "raw", "container"),
    [
        (b"RIFF", False, "wav"),
        (b"BW64", True, "wav"),
        (b"OggS", True, "ogg"),
        (b"\xff\xfb\x90\x64", False, "mp3"),
        (b"\xff\xfb\x90\x64", True, ""),
        (b"\xff\xf3\x40\xc0", False, "mp3"),
        # No frame of layer III: ADTS, a reserved version, bit rate 15, sample rate 3, silence in mu-law.
        (b"\xff\xf1\x50\x80", False, ""),
        (b"\xff\xeb\x90\x64", False, ""),
        (b"\xff\xfb\xf0\x64", False, ""),
        (b"\xff\xfb\x9c\x64", False, ""),
        (b"\xff\xff\xff\xff", False, ""),
        (b"\xff", False, ""),
        (b"", False, ""),
    ],
)
def test_signatures(first: bytes, raw: bool, container: str) -> None:
    assert container_of(first, raw=raw) == container
