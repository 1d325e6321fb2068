"""Silence in place of what was masked: against an oracle that looks at every frame by itself."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_ingest.domain.layouts import LayoutReader
from callward_ingest.domain.masking import Masker, MaskingCode, MaskingReport, MaskInterval
from callward_ingest.domain.media import SampleLayout
from callward_ingest.domain.media_types import parse_media_type
from callward_ingest.domain.spans import Spans
from tests.support.clock import START
from tests.unit.ingest import wav_files as files

NOT_APPLIED, LEFT_OPEN = MaskingCode.mask_not_applied, MaskingCode.mask_left_open
MICROSECONDS = 1_000_000
MPEG = b"ID3 and so on, and so forth"


def after(seconds: float) -> datetime:
    return START + timedelta(microseconds=round(seconds * MICROSECONDS))


def mask(start: float, end: float, closed: float | None = None, *, is_open: bool = False) -> MaskInterval:
    """A mask in seconds of the recording; closed where it ends unless said otherwise."""
    closed_at = None if is_open else after(end if closed is None else closed)
    return MaskInterval(after(start), after(end), "mask", closed_at)


def layout_of(media_type: str, body: bytes) -> SampleLayout | None:
    """The layout as it is known once the body has been looked at."""
    reader = LayoutReader(parse_media_type(media_type).raw)
    reader.feed(body)
    return reader.layout


@dataclass(frozen=True)
class Case:
    """A recording, cut into pieces, with what is masked of it."""

    layout: SampleLayout
    content: bytes
    cuts: tuple[int, ...]
    intervals: tuple[MaskInterval, ...]

    def pieces(self) -> list[bytes]:
        edges = [0, *sorted(min(cut, len(self.content)) for cut in self.cuts), len(self.content)]
        return [self.content[a:b] for a, b in itertools.pairwise(edges)]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    align, rate = draw(st.integers(1, 6)), draw(st.sampled_from([7, 8000, 11025, 44100, 384_000]))
    header, sound = draw(st.integers(0, 9)), draw(st.integers(0, 120))
    tail = draw(st.integers(0, 9))
    silence = draw(st.binary(min_size=align, max_size=align))
    layout = SampleLayout(
        header, align, rate, silence, draw(st.sampled_from([None, sound])) if tail else None
    )
    content = bytes(range(256))[: header + sound + tail]
    frame = Fraction(MICROSECONDS, rate)
    moments = st.integers(-3 * round(frame), round(frame * (len(content) + 3)))
    intervals = []
    for _ in range(draw(st.integers(0, 4))):
        start, end = sorted(draw(st.tuples(moments, moments)))
        begin, stop = START + timedelta(microseconds=start), START + timedelta(microseconds=end)
        intervals.append(MaskInterval(begin, stop, "mask", stop))
    cuts = draw(st.lists(st.integers(0, len(content)), max_size=8))
    return Case(layout, content, tuple(cuts), tuple(intervals))


def oracle(case: Case) -> tuple[bytes, list[int]]:
    """Decides on every frame by itself, with fractions: the result, and which frames are silent."""
    out, silent = bytearray(case.content), []
    layout = case.layout
    end = len(case.content) if layout.data_size is None else layout.data_offset + layout.data_size
    for number in range(len(case.content)):
        begin = layout.data_offset + number * layout.block_align
        if begin >= min(end, len(case.content)):
            break
        starts, stops = (Fraction(n * MICROSECONDS, layout.sample_rate) for n in (number, number + 1))
        if any(
            (each.start - START) // timedelta(microseconds=1) < stops
            and starts < (each.end - START) // timedelta(microseconds=1)
            and each.start < each.end
            for each in case.intervals
        ):
            silent.append(number)
            for index in range(layout.block_align):
                if begin + index < min(end, len(case.content)):
                    out[begin + index] = layout.silence[index]
    return bytes(out), silent


def run(case: Case, *, known_from_start: bool = True) -> tuple[bytes, MaskingReport]:
    """Feeds the pieces; the layout is known once the header has been looked at, or from the start."""
    masker = Masker(START, lambda: case.intervals)
    out, seen = [], 0
    for piece in case.pieces():
        seen += len(piece)
        known = known_from_start or seen > case.layout.data_offset
        out.append(masker.apply(piece, case.layout if known else None))
        assert len(out[-1]) == len(piece)
    return b"".join(out), masker.finish()


@given(cases(), st.booleans())
def test_every_cutting_gives_what_the_oracle_gives(case: Case, known_from_start: bool) -> None:
    expected, silent = oracle(case)
    out, report = run(case, known_from_start=known_from_start)
    assert out == expected
    assert out[: case.layout.data_offset] == case.content[: case.layout.data_offset]
    # What ends before its sound begins never tells where that would have been.
    known = known_from_start or len(case.content) > case.layout.data_offset
    assert (report.reasons, report.findings) == ((), ()) or not known
    found = [
        number
        for number in range(len(case.content))
        if any(
            a * case.layout.sample_rate < (number + 1) * MICROSECONDS
            and number * MICROSECONDS < b * case.layout.sample_rate
            for a, b in report.ranges
        )
    ]
    # A range is rounded outwards to the microsecond, which may touch the frame beside it at high rates.
    assert set(silent) <= set(found)
    assert all({number - 1, number + 1} & set(silent) for number in set(found) - set(silent))
    assert list(report.ranges) == sorted(report.ranges)
    assert all(a < b for a, b in report.ranges)
    assert all(left[1] <= right[0] + 1 for left, right in zip(report.ranges, report.ranges[1:], strict=False))


@given(cases(), cases())
def test_what_is_not_masked_passes_as_it_is(case: Case, other: Case) -> None:
    unmasked = Case(case.layout, case.content, case.cuts, ())
    out, report = run(unmasked)
    assert (out, report) == (case.content, MaskingReport())


@given(cases(), st.data())
def test_a_mask_that_comes_to_be_known_silences_from_there_on(case: Case, data: st.DataObject) -> None:
    """What had passed stays as it was, what comes is silent, and the report says whether something was missed."""
    pieces, known = case.pieces(), list[MaskInterval]()
    told_before = data.draw(st.integers(0, len(pieces)))
    masker, out, passed = Masker(START, lambda: known), bytearray(), 0
    for number, piece in enumerate(pieces):
        if number == told_before:
            known += case.intervals
            passed = len(out)
        out += masker.apply(piece, case.layout)
    if told_before == len(pieces):
        known += case.intervals
        passed = len(out)
    expected, silent = oracle(case)
    offset, align = case.layout.data_offset, case.layout.block_align
    begun = -(-max(passed - offset, 0) // align)
    border = min(offset + begun * align, len(out))
    assert out[:border] == case.content[:border]
    assert out[border:] == expected[border:]
    missed = [number for number in silent if number < begun]
    assert masker.finish().reasons == ((NOT_APPLIED,) if missed else ())


def test_g711_and_pcm_are_silenced_with_their_own_silence() -> None:
    for tag, bits, silence in (
        (files.MULAW, 8, b"\xff\xff"),
        (files.ALAW, 8, b"\xd5\xd5"),
        (files.PCM, 8, b"\x80\x80"),
        (files.PCM, 16, bytes(4)),
        (files.PCM, 24, bytes(6)),
    ):
        frame = 2 * bits // 8
        sound = b"\x11" * (8 * frame)
        tail = files.chunk(b"LIST", b"INFOtext")
        body = files.wav(files.fmt(tag, bits=bits), files.chunk(b"data", sound), tail)
        masker = Masker(START, lambda: [mask(0.000_25, 0.000_5), mask(0.000_75, 60)])
        out = masker.apply(body, layout_of("audio/wav", body))
        assert len(out) == len(body)
        head = len(body) - len(sound) - len(tail)
        assert out[:head] == body[:head]
        kept = b"\x11" * frame
        assert out[head : head + len(sound)] == kept * 2 + silence * 2 + kept * 2 + silence * 2
        assert out[head + len(sound) :] == tail, "what is no sound is not silenced"
        assert masker.finish().ranges == ((250, 500), (750, 1000))


def test_sound_in_the_same_piece_as_the_header_is_silenced() -> None:
    body = files.wav(files.fmt(), files.chunk(b"data", b"\x11" * 1600))
    masker = Masker(START, lambda: [mask(0, 60)])
    out = masker.apply(body, layout_of("audio/wav", body))
    assert out.endswith(b"\xff" * 1600)
    assert masker.finish() == MaskingReport(ranges=((0, 100_000),))


def test_raw_g711_is_silenced_from_its_first_byte() -> None:
    masker = Masker(START, lambda: [mask(-1, 0.001)])
    sound = b"\x11" * 16
    layout = layout_of("audio/PCMA;rate=8000;channels=1", sound)
    assert masker.apply(sound, layout) == b"\xd5" * 8 + b"\x11" * 8


@pytest.mark.parametrize(
    ("interval", "length", "reasons"),
    [
        (mask(5, 6), None, (NOT_APPLIED,)),
        (mask(5, 6), timedelta(seconds=5), ()),
        (mask(5, 6), timedelta(seconds=5.1), (NOT_APPLIED,)),
        (mask(-2, -1), None, ()),
        (mask(-2, -1, is_open=True), None, (NOT_APPLIED,)),
        (mask(-9, -8, closed=1), None, (NOT_APPLIED,)),
        (mask(5, 5), None, ()),
    ],
)
def test_what_has_no_addressable_samples_is_kept_apart(
    interval: MaskInterval, length: timedelta | None, reasons: tuple[MaskingCode, ...]
) -> None:
    masker = Masker(START, lambda: [interval])
    assert masker.apply(MPEG, layout_of("audio/mpeg", MPEG)) == MPEG
    assert masker.finish(length=length).reasons == reasons


def test_sound_before_its_layout_is_known_is_missed_and_said_so() -> None:
    layout = SampleLayout(2, 1, 8000, b"\xff")
    masker = Masker(START, lambda: [mask(0, 60)])
    assert masker.apply(b"hhss", None) == b"hhss"
    assert masker.apply(b"ss", layout) == b"\xff\xff"
    assert masker.finish() == MaskingReport(ranges=((250, 500),), reasons=(NOT_APPLIED,))


def test_without_a_clock_nobody_knows_where_a_mask_lies() -> None:
    for layout in (SampleLayout(0, 1, 8000, b"\xff"), None):
        for intervals, reasons in (
            ([mask(0, 60)], (NOT_APPLIED,)),
            ([mask(-3600, -3000)], (NOT_APPLIED,)),
            ([mask(3600, 3600)], ()),
            (list[MaskInterval](), ()),
        ):
            masker = Masker(START, intervals.copy, clock_stated=False)
            masker.apply(bytes(800), layout)
            assert masker.finish(length=timedelta(seconds=0.1)).reasons == reasons


@pytest.mark.parametrize(
    ("interval", "reasons", "findings"),
    [
        # Lapsed at 0.05 s with sound after it: nobody knows what that is.
        (mask(0, 0.05, is_open=True), (LEFT_OPEN,), ()),
        (mask(0, 0.05, closed=0.08), (LEFT_OPEN,), ()),
        # The recording ended before the mask lapsed: all of it is silent, and that is said.
        (mask(0.05, 60, is_open=True), (), (LEFT_OPEN,)),
        (mask(0.05, 60, closed=70), (), ()),
        (mask(0.1, 60, is_open=True), (), ()),
        (mask(-60, -50, is_open=True), (LEFT_OPEN,), ()),
        (mask(-60, -50, closed=-40), (), ()),
    ],
)
def test_a_mask_that_nobody_ended_neither_reveals_nor_silences_unseen(
    interval: MaskInterval, reasons: tuple[MaskingCode, ...], findings: tuple[MaskingCode, ...]
) -> None:
    masker = Masker(START, lambda: [interval])
    masker.apply(b"\x11" * 800, SampleLayout(0, 1, 8000, b"\xff"))
    report = masker.finish()
    assert (report.reasons, report.findings) == (reasons, findings)


@given(cases(), st.integers(0, 8))
def test_a_recording_that_is_taken_up_again_comes_to_the_same(case: Case, stored: int) -> None:
    """The first pieces were stored by a process that is gone; another one reads them and goes on."""
    expected, _ = oracle(case)
    pieces, position = case.pieces(), 0
    masker, out = Masker(START, lambda: case.intervals), b""
    for number, piece in enumerate(pieces):
        if number < stored:
            masker.resume(expected[position : position + len(piece)], case.layout)
            out += expected[position : position + len(piece)]
        else:
            out += masker.apply(piece, case.layout)
        position += len(piece)
    _, whole = run(case)
    assert out == expected
    assert masker.finish() == whole


def test_what_was_stored_unmasked_is_found_when_it_is_taken_up_again() -> None:
    layout = SampleLayout(0, 1, 8000, b"\xff")
    masker = Masker(START, lambda: [mask(0.1, 0.3)])
    masker.resume(b"\x11" * 800 + b"\xff" * 800, layout)
    masker.resume(b"\x11" * 800, layout)
    assert masker.finish().reasons == (NOT_APPLIED,)
    again = Masker(START, lambda: [mask(0.1, 0.2)])
    again.resume(b"\x11" * 800 + b"\xff" * 800, layout)
    assert again.finish() == MaskingReport(ranges=((100_000, 200_000),))


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 30), st.integers(0, 30)), max_size=12),
    st.integers(0, 30),
    st.integers(0, 30),
)
def test_spans_are_a_set(changes: Sequence[tuple[bool, int, int]], first: int, stop: int) -> None:
    spans, plain = Spans(), set[int]()
    for adds, a, b in changes:
        if adds:
            spans.add(a, b)
            plain |= set(range(a, b))
        else:
            spans.remove(a, b)
            plain -= set(range(a, b))
    assert [n for a, b in spans for n in range(a, b)] == sorted(plain)
    assert all(a < b for a, b in spans)
    if all(adds for adds, _, _ in changes):
        found = list(spans)
        assert all(left[1] < right[0] for left, right in itertools.pairwise(found))
    wanted = set(range(first, stop))
    assert spans.covers(first, stop) == (wanted <= plain)
    assert [n for a, b in spans.within(first, stop) for n in range(a, b)] == sorted(plain & wanted)
