"""Levels and waveforms, against plain Python that reads samples one by one and shares nothing with the code."""

import math
import random
import struct
from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callward_ingest.domain.media import ChannelLevel, FindingCode, MediaReport
from callward_ingest.domain.media_types import parse_media_type
from callward_ingest.media import media_readers
from tests.unit.ingest.wav_files import ALAW, EXAMPLE, MULAW, PCM, UNKNOWN, chunk, fmt, wav


def mulaw(code: int) -> int:
    """ITU-T G.711, table 2: the value of a character, in steps of 16 bits."""
    code ^= 0xFF
    segment, step = code >> 4 & 7, code & 15
    value = ((2 * step + 33) << segment) - 33
    return 4 * (-value if code & 0x80 else value)


def alaw(code: int) -> int:
    """ITU-T G.711, table 1: the value of a character, in steps of 16 bits."""
    code ^= 0x55
    segment, step = code >> 4 & 7, code & 15
    value = 2 * step + 1 if segment == 0 else (2 * step + 33) << (segment - 1)
    return 8 * (value if code & 0x80 else -value)


def law(decode: Callable[[int], int]) -> Callable[[bytes], list[float]]:
    return lambda audio: [decode(code) / 32768 for code in audio]


def linear(size: int) -> Callable[[bytes], list[float]]:
    def read(audio: bytes) -> list[float]:
        values = [
            int.from_bytes(audio[at : at + size], "little", signed=True) for at in range(0, len(audio), size)
        ]
        return [value / 2 ** (8 * size - 1) for value in values]

    return read


def unsigned(audio: bytes) -> list[float]:
    return [(value - 128) / 128 for value in audio]


# Tag, bits, reader, and what counts as clipped.
CODINGS = {
    "mulaw": (MULAW, 8, law(mulaw), 32124 / 32768),
    "alaw": (ALAW, 8, law(alaw), 32256 / 32768),
    "u8": (PCM, 8, unsigned, 127 / 128),
    "s16": (PCM, 16, linear(2), 32767 / 32768),
    "s24": (PCM, 24, linear(3), (2**23 - 1) / 2**23),
    "s32": (PCM, 32, linear(4), (2**31 - 1) / 2**31),
}


def expected_level(samples: Sequence[float], window: int, clip_at: float) -> ChannelLevel:
    silent = 0
    for start in range(0, len(samples), window):
        stretch = samples[start : start + window]
        if max(map(abs, stretch)) < 10 ** (-50 / 20):
            silent += len(stretch)
    return ChannelLevel(
        rms_dbfs=decibels(math.sqrt(math.fsum(value * value for value in samples) / len(samples))),
        peak_dbfs=decibels(max(map(abs, samples))),
        silence=round(silent / len(samples), 4),
        clipped=sum(abs(value) >= clip_at for value in samples),
    )


def decibels(ratio: float) -> float:
    return -120.0 if ratio == 0 else max(-120.0, round(20 * math.log10(ratio), 2) + 0.0)


def expected_peaks(channels: Sequence[Sequence[float]], rate: int, window: int) -> bytes:
    pairs: list[int] = []
    for start in range(0, len(channels[0]), window):
        for samples in channels:
            stretch = samples[start : start + window]
            pairs.extend(max(-128, min(127, int(value * 128))) for value in (min(stretch), max(stretch)))
    pixels = len(pairs) // 2 // len(channels)
    head = struct.pack("<iIiiIi", 2, 1, rate, window, pixels, len(channels))
    return head + struct.pack(f"{len(pairs)}b", *pairs)


async def measure(declared: str, pieces: Iterable[bytes]) -> MediaReport:
    media = parse_media_type(declared)
    reader = media_readers()(media.media_type, media.raw)
    for piece in pieces:
        await reader.feed(piece)
    return await reader.finish()


def some_audio(frames: int, channels: int, size: int, seed: int) -> bytes:
    """Gives stretches of noise, of silence (whatever zero bytes mean) and of one value."""
    source, frame = random.Random(seed), channels * size
    audio = bytearray()
    while len(audio) < frames * frame:
        length = source.randrange(1, 200)
        audio += source.choice(
            [source.randbytes(length * frame), bytes(length * frame), source.randbytes(frame) * length]
        )
    return bytes(audio[: frames * frame])


@pytest.mark.parametrize("coding", CODINGS)
@given(
    frames=st.integers(1, 700),
    channels=st.integers(1, 3),
    rate=st.sampled_from([8000, 11025, 49]),
    seed=st.integers(),
)
@settings(max_examples=8)
async def test_agrees_with_plain_python(
    coding: str, frames: int, channels: int, rate: int, seed: int
) -> None:
    tag, bits, read, clip_at = CODINGS[coding]
    audio = some_audio(frames, channels, bits // 8, seed)
    found = await measure("audio/wav", [wav(fmt(tag, channels, rate, bits), chunk(b"data", audio))])
    samples = [read(audio)[channel::channels] for channel in range(channels)]
    window = max(1, rate // 50)
    assert found.levels == tuple(expected_level(each, window, clip_at) for each in samples)
    assert found.peaks == expected_peaks(samples, rate, window)


@pytest.mark.parametrize(("declared", "decode", "clip_at"), [("PCMU", mulaw, 32124), ("PCMA", alaw, 32256)])
async def test_raw_g711_is_read_as_its_wav_is(
    declared: str, decode: Callable[[int], int], clip_at: int
) -> None:
    audio = some_audio(900, 2, 1, seed=7)
    found = await measure(f"audio/{declared};channels=2", [audio])
    samples = [[decode(code) / 32768 for code in audio[channel::2]] for channel in (0, 1)]
    assert found.levels == tuple(expected_level(each, 160, clip_at / 32768) for each in samples)
    facts = found.facts
    assert (facts.container, facts.frames, facts.bytes_per_second, facts.codes) == ("raw", 900, 16_000, ())
    assert facts.media_type == f"audio/{declared};rate=8000;channels=2"


@given(
    sizes=st.lists(st.integers(1, 30_000), min_size=1, max_size=5), coding=st.sampled_from(sorted(CODINGS))
)
@settings(max_examples=10)
async def test_cuts_make_no_difference(sizes: list[int], coding: str) -> None:
    tag, bits, *_ = CODINGS[coding]
    body = wav(
        fmt(tag, 2, 8000, bits),
        chunk(b"data", some_audio(70_000, 2, bits // 8, 3)),
        chunk(b"LIST", b"x" * 99),
    )
    pieces: list[bytes] = []
    at = 0
    while at < len(body):
        size = sizes[len(pieces) % len(sizes)] * 10
        pieces.append(body[at : at + size])
        at += size
    assert await measure("audio/wav", pieces) == await measure("audio/wav", [body])


async def test_what_follows_the_audio_is_not_measured() -> None:
    quiet = chunk(b"data", bytes(16_000))
    with_tail = wav(fmt(PCM, 1, 8000, 16), quiet, chunk(b"LIST", b"\xff\x7f" * 500))
    found = await measure("audio/wav", [with_tail])
    assert found.levels == (ChannelLevel(-120.0, -120.0, 1.0, 0),)
    assert found.facts.codes == ()


@pytest.mark.parametrize("size", [0, UNKNOWN])
async def test_a_writer_that_cannot_go_back_is_measured_to_the_end(size: int) -> None:
    body = wav(fmt(MULAW, 1), chunk(b"data", b"\x00\x80" * 4000, size), size=UNKNOWN if size else 36 + 2)
    found = await measure("audio/wav", [body])
    assert found.facts.frames == 8000
    assert found.levels[0].clipped == 8000
    assert found.facts.codes == (FindingCode.length_undeclared,)


async def test_the_example_has_two_voices() -> None:
    found = await measure("audio/wav", [EXAMPLE.read_bytes()])
    assert len(found.levels) == 2
    for level in found.levels:
        assert -40 < level.rms_dbfs < -10
        assert level.rms_dbfs < level.peak_dbfs <= 0
        assert 0.1 < level.silence < 0.9


@pytest.mark.parametrize(
    ("declared", "body", "code"),
    [
        ("audio/wav", b"", FindingCode.empty),
        ("audio/PCMU", b"", FindingCode.empty),
        ("audio/ogg", b"short", FindingCode.not_audio),
        ("audio/wav", b"plain text, and no audio", FindingCode.not_audio),
        ("audio/PCMU;channels=3", b"\xff\xff", FindingCode.silent_empty),
        ("audio/PCMU", EXAMPLE.read_bytes(), FindingCode.not_declared_type),
    ],
)
async def test_what_is_wrong_is_found(declared: str, body: bytes, code: FindingCode) -> None:
    found = await measure(declared, [body])
    assert code in found.facts.quarantine_codes
    assert bool(found.levels) == (code is FindingCode.not_declared_type)


async def test_a_partial_frame_only_informs() -> None:
    found = await measure("audio/PCMA;channels=2", [b"\xd5" * 801])
    assert found.facts.codes == (FindingCode.trailing_partial_frame,)
    assert (found.facts.frames, found.facts.quarantine_codes) == (400, ())
