"""WAV reading: what is measured, what is found, and that neither depends on how the bytes were cut."""

import io
import itertools
import struct
import wave
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callward_ingest.domain.wav import FindingCode, MediaFacts, WavReader
from tests.unit.ingest.wav_files import (
    ALAW,
    EXAMPLE,
    EXTENSIBLE,
    GUID_TAIL,
    MULAW,
    PCM,
    UNKNOWN,
    chunk,
    codes,
    extensible,
    fmt,
    read,
    rf64,
    wav,
)


def test_the_example_is_measured_exactly() -> None:
    body = EXAMPLE.read_bytes()
    assert read(body) == MediaFacts(
        container="wav",
        codec="pcm_mulaw",
        channels=2,
        sample_rate=8000,
        bits=8,
        declared_bytes=len(body) - 58,
        audio_bytes=len(body) - 58,
        total_bytes=len(body),
        frames=(len(body) - 58) // 2,
        duration=Fraction(len(body) - 58, 16000),
        bytes_per_second=16000,
        data_offset=58,
        findings=(),
    )
    assert read(body).media_type == "audio/wav"


@pytest.mark.parametrize(
    ("width", "codec"), [(1, "pcm_u8"), (2, "pcm_s16le"), (3, "pcm_s24le"), (4, "pcm_s32le")]
)
@pytest.mark.parametrize("channels", [1, 2, 32])
def test_agrees_with_the_standard_library(width: int, codec: str, channels: int) -> None:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(44100)
        writer.writeframes(bytes(width * channels * 441))
    facts = read(file.getvalue())
    assert (facts.codec, facts.channels, facts.sample_rate, facts.bits) == (codec, channels, 44100, width * 8)
    assert (facts.frames, facts.duration, facts.findings) == (441, Fraction(1, 100), ())
    assert facts.length.total_seconds() == 0.01
    assert facts.bytes_per_second == 44100 * width * channels


@pytest.mark.parametrize(
    ("tag", "bits", "valid", "codec"),
    [
        (PCM, 16, 16, "pcm_s16le"),
        (PCM, 24, 20, "pcm_s24le"),
        (ALAW, 8, 8, "pcm_alaw"),
        (MULAW, 8, 8, "pcm_mulaw"),
    ],
)
def test_extensible_formats(tag: int, bits: int, valid: int, codec: str) -> None:
    body = wav(extensible(struct.pack("<H", tag) + GUID_TAIL, bits, valid), chunk(b"data", bytes(bits)))
    facts = read(body)
    assert (facts.codec, facts.frames, facts.findings) == (codec, 8, ())


def test_extensible_formats_that_lie_or_are_foreign() -> None:
    audio = chunk(b"data", bytes(8))
    assert codes(wav(extensible(struct.pack("<H", PCM) + bytes(14), 16, 16), audio)) == ["unsupported-codec"]
    assert codes(wav(extensible(struct.pack("<H", PCM) + GUID_TAIL, 16, 17), audio)) == [
        "inconsistent-header"
    ]
    assert codes(wav(fmt(EXTENSIBLE), audio)) == ["unreadable"]


@pytest.mark.parametrize(
    ("tag", "bits"), [(2, 4), (0x31, 0), (0x55, 16), (3, 32), (PCM, 12), (PCM, 64), (PCM, 0)]
)
def test_other_codecs_are_named_and_not_measured(tag: int, bits: int) -> None:
    facts = read(wav(fmt(tag, bits=bits), chunk(b"data", bytes(32))))
    assert facts.codes == (FindingCode.unsupported_codec,)
    assert (facts.codec, facts.frames, facts.bytes_per_second, facts.audio_bytes) == ("", 0, 0, 32)
    assert (facts.channels, facts.sample_rate) == (2, 8000)


@pytest.mark.parametrize(("channels", "rate"), [(0, 8000), (33, 8000), (2, 0), (2, 384_001)])
def test_impossible_channels_and_rates_are_unreadable(channels: int, rate: int) -> None:
    assert codes(wav(fmt(channels=channels, rate=rate), chunk(b"data", bytes(64)))) == ["unreadable"]


@pytest.mark.parametrize(("channels", "rate"), [(1, 1), (32, 384_000)])
def test_the_limits_themselves_are_accepted(channels: int, rate: int) -> None:
    assert codes(wav(fmt(channels=channels, rate=rate), chunk(b"data", bytes(64)))) == []


@pytest.mark.parametrize(
    "lie",
    [fmt(align=3), fmt(byte_rate=7), fmt(bits=16), fmt() + fmt()],
    ids=["align", "rate", "bits", "twice"],
)
def test_a_header_that_contradicts_itself_is_found_and_the_audio_still_measured(lie: bytes) -> None:
    facts = read(wav(lie, chunk(b"data", bytes(64))))
    assert facts.codes == facts.quarantine_codes == (FindingCode.inconsistent_header,)
    assert (facts.frames, facts.bytes_per_second) == (32, 16000)


@pytest.mark.parametrize("extra", [b"data", b"fmt "])
def test_a_second_audio_or_a_late_format_is_inconsistent(extra: bytes) -> None:
    assert codes(wav(fmt(), chunk(b"data", bytes(64)), chunk(extra, bytes(18)))) == ["inconsistent-header"]


def test_zero_bytes() -> None:
    for facts in (read(), read(b"", b"")):
        assert facts.codes == facts.quarantine_codes == (FindingCode.empty,)
        assert (facts.total_bytes, facts.data_offset, facts.media_type) == (
            0,
            None,
            "application/octet-stream",
        )


@pytest.mark.parametrize(
    "body",
    [
        b"ID3\x04" + bytes(100),
        b"RIFF\x10\0\0\0AVI " + bytes(100),
        b"RIFX\0\0\0\0WAVE" + bytes(40),
        b"{}",
        b"RIFF\0\0\0\0AV",
    ],
)
def test_not_audio(body: bytes) -> None:
    facts = read(body)
    assert facts.codes == facts.quarantine_codes == (FindingCode.not_audio,)
    assert (facts.container, facts.total_bytes) == ("", len(body))


HEADER = wav(fmt(), chunk(b"fact", bytes(4)), chunk(b"data", b"", 1000), size=1050)


@pytest.mark.parametrize("length", range(1, len(HEADER)))
def test_a_header_cut_at_any_byte_is_unreadable(length: int) -> None:
    facts = read(HEADER[:length])
    assert facts.codes == facts.quarantine_codes == (FindingCode.unreadable,)
    assert (facts.frames, facts.duration, facts.data_offset) == (0, Fraction(0), None)


def test_a_header_without_audio_behind_it_lies() -> None:
    assert codes(HEADER) == ["length-mismatch", "silent-empty"]


@pytest.mark.parametrize(
    "body",
    [
        wav(chunk(b"data", bytes(64)), fmt()),
        wav(chunk(b"fmt ", bytes(15)), chunk(b"data", bytes(64))),
        wav(chunk(b"\0\x01\x02\x03", bytes(4)), fmt(), chunk(b"data", bytes(64))),
        wav(fmt()),
        wav(fmt(), *[chunk(b"JUNK", b"")] * 1024, chunk(b"data", bytes(64))),
    ],
    ids=["audio-first", "short-format", "garbage", "no-audio", "chunks"],
)
def test_malformed_headers_are_unreadable(body: bytes) -> None:
    assert codes(body) == ["unreadable"]


def test_the_audio_must_begin_within_the_limit() -> None:
    def after(junk: int) -> list[str]:
        return codes(wav(fmt(), chunk(b"JUNK", bytes(junk)), chunk(b"data", bytes(64))))

    room = (1 << 20) - 12 - 26 - 8
    assert after(room) == []
    assert after(room + 2) == ["unreadable"]
    reader = WavReader(max_header_bytes=100)
    reader.feed(wav(fmt(), chunk(b"JUNK", bytes(100)), chunk(b"data", bytes(64))))
    assert reader.finish().codes == (FindingCode.unreadable,)


def test_a_body_of_empty_chunks_is_not_walked_to_its_end() -> None:
    assert codes(wav(fmt(), chunk(b"data", bytes(64)), *[chunk(b"JUNK", b"")] * 1022)) == []
    assert codes(wav(fmt(), chunk(b"data", bytes(64)), *[chunk(b"JUNK", b"")] * 1023)) == ["unreadable"]


def test_lists_around_the_audio_are_walked() -> None:
    facts = read(wav(chunk(b"LIST", bytes(25)), fmt(), chunk(b"data", bytes(64)), chunk(b"LIST", bytes(31))))
    assert (facts.audio_bytes, facts.findings) == (64, ())


WHOLE = len(wav(fmt(), chunk(b"data", bytes(64))))


@pytest.mark.parametrize(
    "body",
    [
        wav(fmt(), chunk(b"data", bytes(64)))[:-10],
        wav(fmt(), chunk(b"data", bytes(64))) + bytes(3),
        wav(fmt(), chunk(b"data", bytes(64))) + bytes(300),
        wav(fmt(), chunk(b"data", bytes(64), 1000)),
        wav(fmt(), chunk(b"data", bytes(64), 32)),
        wav(fmt(), chunk(b"data", bytes(64)), size=WHOLE),
        wav(fmt(), chunk(b"data", bytes(64)), size=36),
        wav(fmt(), chunk(b"data", bytes(64)), chunk(b"LIST", bytes(8), 100)),
        wav(fmt(), chunk(b"data", bytes(64), UNKNOWN), size=4000),
        wav(fmt(), chunk(b"data", bytes(64), 0), size=4000),
        wav(fmt(), chunk(b"data", bytes(64)), b"abc"),
        rf64(4000, 64, bytes(64)),
        rf64(WHOLE + 36 - 8, 65, bytes(64)),
    ],
)
def test_a_header_that_lies_about_lengths_is_found_and_quarantines(body: bytes) -> None:
    facts = read(body)
    assert FindingCode.length_mismatch in facts.quarantine_codes


def test_a_lie_about_the_audio_counts_what_came_up_to_the_stated_end() -> None:
    cut = read(wav(fmt(), chunk(b"data", bytes(64)))[:-10])
    assert (cut.declared_bytes, cut.audio_bytes, cut.frames) == (64, 54, 27)
    assert [finding.text for finding in cut.findings] == ["The header states 64 bytes of audio; 54 came."]


@pytest.mark.parametrize("riff", [0, UNKNOWN, 38])
@pytest.mark.parametrize("data", [0, UNKNOWN])
def test_streaming_writers_are_believed(riff: int, data: int) -> None:
    facts = read(wav(fmt(), chunk(b"data", b"\x7f" * 64, data), size=riff))
    assert facts.codes == (FindingCode.length_undeclared,)
    assert facts.quarantine_codes == ()
    assert (facts.declared_bytes, facts.audio_bytes, facts.frames) == (None, 64, 32)


def test_an_undeclared_whole_with_declared_audio_is_no_lie() -> None:
    facts = read(wav(fmt(), chunk(b"data", bytes(64)), size=0))
    assert (facts.codes, facts.quarantine_codes) == ((FindingCode.length_undeclared,), ())
    assert facts.declared_bytes == 64


@pytest.mark.parametrize(
    "body",
    [
        wav(fmt(), chunk(b"data", b"")),
        wav(fmt(), chunk(b"data", b""), chunk(b"LIST", bytes(10))),
        wav(fmt(), chunk(b"data", b"", UNKNOWN), size=UNKNOWN),
    ],
)
def test_no_audio_frames(body: bytes) -> None:
    facts = read(body)
    assert FindingCode.silent_empty in facts.quarantine_codes
    assert FindingCode.length_mismatch not in facts.codes
    assert (facts.frames, facts.audio_bytes) == (0, 0)


def test_less_than_one_frame_is_no_audio() -> None:
    assert codes(wav(fmt(), chunk(b"data", b"\xff"))) == ["silent-empty", "trailing-partial-frame"]


def test_a_partial_frame_at_the_end_informs_only() -> None:
    facts = read(wav(fmt(), chunk(b"data", bytes(65))))
    assert (facts.codes, facts.quarantine_codes) == ((FindingCode.trailing_partial_frame,), ())
    assert (facts.frames, facts.duration) == (32, Fraction(32, 8000))


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("tail", [b"", chunk(b"LIST", bytes(6))])
def test_odd_audio_with_and_without_padding(padded: bool, counted: bool, tail: bytes) -> None:
    mono = fmt(channels=1)
    body = wav(mono, chunk(b"data", bytes(65), padded=padded), tail)
    if not counted and not tail:
        body = wav(mono, chunk(b"data", bytes(65), padded=padded), size=4 + 26 + 8 + 65)
    facts = read(body)
    assert (facts.frames, facts.findings) == (65, ())


def test_64_bit_containers() -> None:
    body = rf64(WHOLE + 36 - 8, 64, bytes(64))
    facts = read(body)
    assert (facts.container, facts.declared_bytes, facts.frames, facts.findings) == ("rf64", 64, 32, ())
    assert read(rf64(WHOLE + 36 - 8, 64, bytes(64), b"BW64")).container == "bw64"
    streamed = read(rf64(2**64 - 1, 2**64 - 1, bytes(64)))
    assert (streamed.codes, streamed.frames) == ((FindingCode.length_undeclared,), 32)
    bare = wav(fmt(), chunk(b"data", bytes(64), UNKNOWN), size=UNKNOWN, name=b"RF64")
    assert codes(bare) == ["inconsistent-header", "length-undeclared"]


def test_no_finding_quotes_content() -> None:
    secret = b"Jane Roe 555-0142 "
    body = wav(chunk(b"LIST", secret), fmt(), chunk(b"data", secret, 999)) + secret
    facts = read(body)
    assert facts.findings
    assert not any("Jane" in finding.text or "0142" in finding.text for finding in facts.findings)


def test_finishing_twice_gives_the_same_and_feeding_after_it_is_a_mistake() -> None:
    reader = WavReader()
    assert reader.finish() is reader.finish()
    with pytest.raises(ValueError, match="finished"):
        reader.feed(b"x")


NAMES = st.sampled_from([b"fmt ", b"data", b"LIST", b"fact", b"ds64", b"JUNK", b"\0\0\0\0", b"RIFF"])
SIZES = st.one_of(st.none(), st.sampled_from([0, 1, UNKNOWN]), st.integers(0, 200))
FORMATS = st.builds(
    fmt,
    st.sampled_from([PCM, ALAW, MULAW, EXTENSIBLE, 0x55]),
    st.sampled_from([0, 1, 2, 33]),
    st.sampled_from([0, 8000]),
    st.sampled_from([8, 12, 16, 24]),
)
CHUNKS = st.one_of(FORMATS, st.builds(chunk, NAMES, st.binary(max_size=48), SIZES))
SHAPED = st.builds(
    lambda parts, size, name, tail: wav(*parts, size=size, name=name) + tail,
    st.lists(CHUNKS, max_size=6),
    SIZES,
    st.sampled_from([b"RIFF", b"RF64", b"BW64"]),
    st.binary(max_size=12),
)
BODIES = st.one_of(SHAPED, st.binary(max_size=200), st.just(HEADER), st.just(rf64(4000, 64, bytes(64))))


@given(BODIES, st.lists(st.integers(0, 400), max_size=8))
@example(wav(fmt(), chunk(b"data", bytes(65)), chunk(b"LIST", bytes(7))), list(range(130)))
def test_any_split_gives_the_same_facts(body: bytes, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    pieces = [body[start:stop] for start, stop in itertools.pairwise(edges)]
    assert read(*pieces) == read(body) == read(*(body[index : index + 1] for index in range(len(body))))


@given(BODIES)
def test_no_content_raises_and_what_is_counted_adds_up(body: bytes) -> None:
    facts = read(body)
    assert facts.total_bytes == len(body)
    assert 0 <= facts.audio_bytes <= len(body) - (facts.data_offset or 0)
    assert len(set(facts.codes)) == len(facts.codes)
    assert facts.frames * max(facts.bytes_per_second, 0) <= facts.audio_bytes * max(facts.sample_rate, 1)
    assert facts.frames > 0 or facts.quarantine_codes


@given(BODIES)
def test_memory_stays_small(body: bytes) -> None:
    reader = WavReader()
    for index in range(len(body)):
        reader.feed(body[index : index + 1])
        assert len(reader._held) <= 40


@given(
    st.integers(1, 32),
    st.sampled_from([(ALAW, 8), (MULAW, 8), (PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32)]),
    st.data(),
)
def test_honest_files_have_no_findings(channels: int, kind: tuple[int, int], data: st.DataObject) -> None:
    tag, bits = kind
    frames = data.draw(st.integers(1, 20))
    body = wav(fmt(tag, channels, 16000, bits), chunk(b"data", bytes(frames * channels * bits // 8)))
    facts = read(body)
    assert (facts.frames, facts.duration, facts.findings) == (frames, Fraction(frames, 16000), ())
