"""Gates before decoders: no bytes make them raise, cuts make no difference, and what is hidden stays hidden."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from callward_ingest.domain.media import FindingCode
from callward_ingest.media.gates import Gate
from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.mp4 import Mp4Gate
from callward_ingest.media.ogg import OggGate
from callward_ingest.media.tags import FlacGate, Mp3Gate

CORPUS = {path.name: path.read_bytes() for path in sorted((Path(__file__).parent / "corpus").iterdir())}
LIMITS = MediaLimits(
    max_header_bytes=50_000, max_tag_bytes=5000, max_index_bytes=5000, max_index_samples=1000
)
GATES: dict[str, Callable[[], Gate]] = {
    "ogg": lambda: OggGate(LIMITS),
    "flac": lambda: FlacGate(LIMITS.max_tag_bytes),
    "mp3": lambda: Mp3Gate(LIMITS.max_tag_bytes),
    "mp4": lambda: Mp4Gate(LIMITS),
}
MAGIC = {
    "ogg": b"OggS\0\2",
    "flac": b"fLaC\0\0\0\x22",
    "mp3": b"ID3\4\0\0",
    "mp4": b"\0\0\0\x10ftypM4A \0\0\0\0",
}


def through(gate: Gate, content: bytes, size: int) -> tuple[bytes, list[FindingCode], bool, bool]:
    passed = b"".join(gate.accept(content[at : at + size]) for at in range(0, len(content), size))
    gate.conclude()
    return passed, [finding.code for finding in gate.findings], gate.closed, gate.wants_stored


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("kind", GATES)
def test_cuts_make_no_difference_to_the_corpus(kind: str, name: str) -> None:
    whole = through(GATES[kind](), CORPUS[name], 1 << 20)
    for size in (1, 7, 97):
        assert through(GATES[kind](), CORPUS[name], size) == whole


@pytest.mark.parametrize("kind", GATES)
@given(content=st.binary(max_size=400), size=st.integers(1, 50), with_magic=st.booleans())
@settings(max_examples=60)
def test_no_bytes_make_a_gate_raise(kind: str, content: bytes, size: int, with_magic: bool) -> None:
    content = MAGIC[kind] + content if with_magic else content
    cut = through(GATES[kind](), content, size)
    assert cut == through(GATES[kind](), content, len(content) or 1)
    assert len(cut[0]) <= len(content)


@given(
    name=st.sampled_from([name for name in CORPUS if name.startswith("mp4")]),
    place=st.integers(0, 400),
    value=st.integers(0, 255),
)
@example(name="mp4-external-reference", place=35, value=8)
def test_no_change_to_an_index_makes_it_raise(name: str, place: int, value: int) -> None:
    content = bytearray(CORPUS[name])
    content[place % len(content)] = value
    through(Mp4Gate(LIMITS), bytes(content), 64)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("mp4-deep-nesting", FindingCode.unreadable),
        ("mp4-size-zero-index", FindingCode.over_limits),
        ("mp4-large-size-overflow", FindingCode.over_limits),
        ("mp4-large-size-short", FindingCode.unreadable),
        ("mp4-child-past-parent", FindingCode.unreadable),
        ("mp4-no-audio-track", FindingCode.unreadable),
        ("mp4-stsz-lies", FindingCode.unreadable),
        ("mp4-stsz-uniform-bomb", FindingCode.over_limits),
        ("mp4-stts-lies", FindingCode.unreadable),
        ("mp4-stsd-empty", FindingCode.unreadable),
        ("mp4-short-leaf", FindingCode.unreadable),
        ("mp4-fragment-bomb", FindingCode.over_limits),
        ("mp4-two-indexes", FindingCode.unreadable),
    ],
)
def test_a_bad_index_is_refused_for_its_reason(name: str, code: FindingCode) -> None:
    _, codes, closed, wants_stored = through(Mp4Gate(LIMITS), CORPUS[name], 64)
    assert (codes, closed, wants_stored) == ([code], True, False)


def test_references_to_other_files_are_never_seen() -> None:
    passed, codes, closed, _ = through(Mp4Gate(LIMITS), CORPUS["mp4-external-reference"], 64)
    assert (codes, closed) == ([], False)
    assert len(passed) == len(CORPUS["mp4-external-reference"])
    # The box that led to the reference is free space to whoever reads it.
    assert b"dinf" not in passed
    assert passed.count(b"free") == 1


def test_a_media_box_before_the_index_asks_for_what_is_stored() -> None:
    content = MAGIC["mp4"] + b"\0\0\0\x0cmdat1234"
    assert through(Mp4Gate(LIMITS), content, 5) == (MAGIC["mp4"], [], True, True)


def test_tags_before_mp3_are_passed_over() -> None:
    tag = b"ID3\4\0\x10\0\0\1\0" + b"x" * 128 + b"footer 10b"
    assert through(Mp3Gate(5000), tag * 2 + b"audio that follows", 3)[:2] == (b"audio that follows", [])
    assert through(Mp3Gate(137), tag * 2, 3)[1] == [FindingCode.over_limits]
    assert through(Mp3Gate(5000), tag[:60], 3)[1] == [FindingCode.unreadable]


def test_only_the_stream_information_of_flac_is_seen() -> None:
    info = bytes(10) + ((8000 << 44) | 123_456).to_bytes(8) + bytes(16)
    head, comment = b"fLaC\0\0\0\x22" + info, b"\4\0\0\5vorbi"
    gate = FlacGate(5000)
    passed = through(gate, head + comment + b"\x86\0\0\3pic" + b"frames", 4)
    assert passed[:2] == (b"fLaC\x80\0\0\x22" + info + b"frames", [])
    assert gate.declared_frames == 123_456


def page(payload: bytes, *, flags: int = 0, position: int = 0, serial: int = 1) -> bytes:
    head = b"OggS\0" + bytes((flags,)) + position.to_bytes(8, "little", signed=True)
    return head + serial.to_bytes(4, "little") + bytes(8) + bytes((1, len(payload))) + payload


OPUS = page(b"OpusHead\1\1" + bytes(9), flags=2)


def test_pages_of_one_stream_pass() -> None:
    audio = [page(b"audio", position=960 * number) for number in range(1, 4)]
    end = page(b"end", flags=4, position=4000)
    content = OPUS + b"".join(audio) + end
    assert through(OggGate(LIMITS), content, 11) == (content, [], False, False)
    assert through(OggGate(LIMITS), content[:-1], 11)[1] == [FindingCode.length_mismatch]
    assert through(OggGate(LIMITS), content[: -len(end)], 11)[1] == [FindingCode.length_undeclared]
    # One stream after the other is one recording (RFC 3533 section 4).
    assert through(OggGate(LIMITS), content * 2, 11) == (content * 2, [], False, False)


def test_what_is_no_page_of_the_stream_is_left_out() -> None:
    audio, end = page(b"audio", position=960), page(b"end", flags=4, position=4000)
    other = page(b"\x80theora", flags=2, serial=2) + page(b"picture", position=5, serial=2)
    assert through(OggGate(LIMITS), OPUS + other + audio + end, 7) == (
        OPUS + audio + end,
        [FindingCode.other_streams],
        False,
        False,
    )
    assert through(OggGate(LIMITS), OPUS + b"dust Og" + audio + end, 7)[:2] == (
        OPUS + audio + end,
        [FindingCode.damaged_audio],
    )
    assert through(OggGate(LIMITS), page(b"\x01vorbis", flags=2) + audio, 7)[1] == [
        FindingCode.unsupported_codec
    ]


def test_pages_without_audio_are_bounded() -> None:
    silence = page(b"x" * 200, position=-1)
    found = through(OggGate(LIMITS), OPUS + silence * 400, 500)
    assert found[1:3] == ([FindingCode.over_limits], True)
    assert len(found[0]) <= LIMITS.max_header_bytes + len(OPUS)
