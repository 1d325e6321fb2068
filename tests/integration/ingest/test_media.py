"""Every kind of media, made by real encoders: what is measured, and that neither cuts nor lies change it."""

import struct
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callward_ingest.domain.media import MAX_PEAKS_BYTES, FindingCode
from tests.integration.ingest.media_files import G722, KINDS, Kind, Stored, cut, encode, report, tone, wav

ALL = {**KINDS, "g722": G722}
EACH = [(name, channels) for name in ALL for channels in (1, 2) if (name, channels) != ("g722", 2)]
SECONDS = 1.5


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], bytes]:
    folder = tmp_path_factory.mktemp("media")
    return {
        (name, channels): encode(ALL[name], tone(ALL[name].rate, channels, SECONDS), folder)
        for name, channels in EACH
    }


def stored_for(name: str, content: bytes) -> Stored | None:
    return Stored(content) if name == "m4a-index-last" else None


@pytest.mark.parametrize(("name", "channels"), EACH)
async def test_every_kind_is_measured(files: dict[tuple[str, int], bytes], name: str, channels: int) -> None:
    kind, content = ALL[name], files[name, channels]
    found = await report(kind.declared, [content], stored=stored_for(name, content))
    facts = found.facts
    assert (facts.container, facts.codec, facts.channels, facts.sample_rate) == (
        kind.container,
        kind.codec,
        channels,
        kind.rate,
    )
    assert facts.codes == ()
    # An encoder's delay is part of what decodes.
    assert 0 <= facts.length.total_seconds() - SECONDS < 0.06
    assert facts.total_bytes == len(content)
    assert facts.bytes_per_second == pytest.approx(len(content) / facts.length.total_seconds(), abs=1)
    for channel, level in enumerate(found.levels):
        # A sine of amplitude a has an RMS of a / √2: half of full scale is -6.02 dBFS at its peak, -9.03 in all.
        assert level.peak_dbfs == pytest.approx(-6.02 * (channel + 1), abs=2.2)
        assert level.rms_dbfs == pytest.approx(-3.01 - 6.02 * (channel + 1), abs=0.7)
        assert level.silence < 0.03
        assert level.clipped == 0
    version, flags, rate, per_pixel, pixels, lanes = struct.unpack_from("<iIiiIi", found.peaks)
    assert (version, flags, rate, per_pixel, lanes) == (2, 1, kind.rate, kind.rate // 50, channels)
    assert pixels == -(-facts.frames // per_pixel)
    assert len(found.peaks) == 24 + pixels * lanes * 2 <= MAX_PEAKS_BYTES


@pytest.mark.parametrize("name", ALL)
@given(sizes=st.lists(st.integers(1, 4000), min_size=1, max_size=6))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_cuts_make_no_difference(
    files: dict[tuple[str, int], bytes], name: str, sizes: list[int]
) -> None:
    content, stored = files[name, 1], stored_for(name, files[name, 1])
    whole = await report(ALL[name].declared, [content], stored=stored)
    assert await report(ALL[name].declared, cut(content, sizes), stored=stored) == whole


@pytest.mark.parametrize("name", ALL)
@given(keep=st.floats(0, 1))
@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_body_may_end_anywhere(files: dict[tuple[str, int], bytes], name: str, keep: float) -> None:
    content = files[name, 1][: int(len(files[name, 1]) * keep)]
    found = await report(ALL[name].declared, [content], stored=stored_for(name, content))
    assert found.facts.total_bytes == len(content)
    assert found.facts.length <= timedelta(seconds=SECONDS + 0.06)
    if not found.facts.frames:
        assert found.facts.quarantine_codes


@pytest.mark.parametrize("name", ["ogg", "flac", "m4a", "fragmented", "m4a-index-last"])
async def test_a_body_that_broke_off_is_found(files: dict[tuple[str, int], bytes], name: str) -> None:
    content = files[name, 1][:-2000]
    found = await report(ALL[name].declared, [content], stored=stored_for(name, content))
    assert FindingCode.length_mismatch in found.facts.quarantine_codes


@pytest.mark.parametrize(
    ("name", "declared"), [("ogg", "audio/wav"), ("flac", "audio/mpeg"), ("mp3", "audio/G722")]
)
async def test_what_the_bytes_are_decides(
    files: dict[tuple[str, int], bytes], name: str, declared: str
) -> None:
    if name == "mp3":
        assert files[name, 1].startswith(b"ID3")
    found = await report(declared, [files[name, 1]])
    assert found.facts.container == name
    assert found.facts.frames
    assert found.facts.quarantine_codes == (FindingCode.not_declared_type,)


async def test_wav_declared_as_something_else() -> None:
    found = await report("audio/flac", [wav(tone(8000, 2, 1), 8000)])
    assert (found.facts.media_type, found.facts.frames) == ("audio/wav", 8000)
    assert found.facts.quarantine_codes == (FindingCode.not_declared_type,)


async def test_flac_and_wav_of_the_same_samples_agree(tmp_path: Path) -> None:
    samples = tone(8000, 2, 3, amplitude=1.0)
    flac = await report("audio/flac", [encode(KINDS["flac"], samples, tmp_path)])
    plain = await report("audio/wav", [wav(samples, 8000)])
    assert flac.levels == plain.levels
    assert flac.peaks == plain.peaks
    assert [level.clipped > 0 for level in flac.levels] == [True, False]


async def test_silence_is_measured_through_a_codec(tmp_path: Path) -> None:
    kind: Kind = KINDS["ogg"]
    samples = tone(kind.rate, 1, 4)
    samples[:, kind.rate : 3 * kind.rate] = 0
    found = await report(kind.declared, [encode(kind, samples, tmp_path)])
    assert found.levels[0].silence == pytest.approx(0.5, abs=0.02)


async def test_an_index_at_the_end_needs_what_is_stored(files: dict[tuple[str, int], bytes]) -> None:
    content = files["m4a-index-last", 2]
    alone = await report("audio/mp4", [content])
    assert alone.facts.quarantine_codes == (FindingCode.unmeasured,)
    assert (alone.levels, alone.peaks) == ((), b"")
    stored = Stored(content)
    found = await report("audio/mp4", [content], stored=stored)
    assert found.facts.codes == ()
    assert 1 <= stored.reads <= 4
    # The same packets, with their index in front.
    assert found.levels == (await report("audio/mp4", [files["m4a", 2]])).levels


async def test_nothing_is_asked_of_the_store_without_need(files: dict[tuple[str, int], bytes]) -> None:
    for name in ("ogg", "m4a", "fragmented", "flac", "mp3"):
        stored = Stored(files[name, 1], fails=True)
        assert (await report(ALL[name].declared, [files[name, 1]], stored=stored)).facts.codes == ()
        assert stored.reads == 0


async def test_a_store_that_is_away_says_nothing_about_the_content(
    files: dict[tuple[str, int], bytes],
) -> None:
    content = files["m4a-index-last", 1]
    with pytest.raises(ConnectionError):
        await report("audio/mp4", [content], stored=Stored(content, fails=True))
