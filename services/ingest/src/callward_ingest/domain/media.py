"""What can be said of media without listening: facts that were measured, findings that were made."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from fractions import Fraction


class FindingCode(StrEnum):
    """The stable codes of findings about media."""

    empty = "empty"
    not_audio = "not-audio"
    unreadable = "unreadable"
    unsupported_codec = "unsupported-codec"
    inconsistent_header = "inconsistent-header"
    length_mismatch = "length-mismatch"
    length_undeclared = "length-undeclared"
    silent_empty = "silent-empty"
    trailing_partial_frame = "trailing-partial-frame"
    not_declared_type = "not-declared-type"
    damaged_audio = "damaged-audio"
    other_streams = "other-streams"
    over_limits = "over-limits"
    decoder_stalled = "decoder-stalled"
    unmeasured = "unmeasured"


_INFORMATIONAL = frozenset(
    {FindingCode.length_undeclared, FindingCode.trailing_partial_frame, FindingCode.damaged_audio}
)
_CONTAINER_TYPES = {
    "wav": "audio/wav",
    "rf64": "audio/wav",
    "bw64": "audio/wav",
    "ogg": "audio/ogg;codecs=opus",
    "mp3": "audio/mpeg",
    "flac": "audio/flac",
    "mp4": "audio/mp4",
}
_RAW_TYPES = {"pcm_mulaw": "audio/PCMU", "pcm_alaw": "audio/PCMA", "g722": "audio/G722"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out about media: a stable code, and a text that names sizes and numbers but no content."""

    code: FindingCode
    text: str

    @property
    def quarantines(self) -> bool:
        """True when media with this finding is kept apart; False when the finding only informs.

        Undeclared lengths are what streaming writers leave behind, a partial frame at the end costs less than one
        sample, and a few packets that got damaged on the way leave the rest of the call audible.
        """
        return self.code not in _INFORMATIONAL


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What was measured of one body of media. Sizes in bytes; numbers are 0 and texts empty when not known.

    `container` is "wav", "rf64", "bw64", "ogg", "mp3", "flac", "mp4" or "raw"; `codec` is a name like "pcm_mulaw",
    "pcm_s16le" or "opus"; `bits` are those of a sample, 0 where a codec has none; `declared_bytes` is the audio that
    the header promises, None when it promises nothing; `audio_bytes` is the audio that came, as it is coded;
    `data_offset` is where it begins, None when it never does or in no one piece; `frames` counts whole frames (one
    sample of every channel); `duration` is exact, in seconds; `bytes_per_second` is an average where the rate
    varies; `findings` has each code at most once.
    """

    container: str
    codec: str
    channels: int
    sample_rate: int
    bits: int
    declared_bytes: int | None
    audio_bytes: int
    total_bytes: int
    frames: int
    duration: Fraction
    bytes_per_second: int
    data_offset: int | None
    findings: tuple[Finding, ...]

    @property
    def media_type(self) -> str:
        """The media type of what was recognised, or "application/octet-stream" (RFC 2046) for the rest.

        Raw audio has nothing but its type to be decoded by: the type says rate and channels (RFC 4856). G.722 is
        stated at 8000 although it has 16,000 samples a second (RFC 3551 section 4.5.2).
        """
        if self.container != "raw" or not self.codec:
            return _CONTAINER_TYPES.get(self.container, "application/octet-stream")
        rate = 8000 if self.codec == "g722" else self.sample_rate
        return f"{_RAW_TYPES[self.codec]};rate={rate};channels={self.channels}"

    @property
    def length(self) -> timedelta:
        """The duration, rounded to the microsecond."""
        return timedelta(microseconds=round(self.duration * 1_000_000))

    @property
    def codes(self) -> tuple[FindingCode, ...]:
        """The codes of all findings, in the order in which they were made."""
        return tuple(finding.code for finding in self.findings)

    @property
    def quarantine_codes(self) -> tuple[FindingCode, ...]:
        """The codes of the findings for which the media is kept apart. Empty when nothing speaks against it."""
        return tuple(finding.code for finding in self.findings if finding.quarantines)


@dataclass(frozen=True, slots=True)
class ChannelLevel:
    """How loud one channel is.

    `rms_dbfs` and `peak_dbfs` are decibels relative to full scale (a square wave at full scale has 0; AES17 counts a
    sine 3 dB higher), never below LEVEL_FLOOR; lossy codecs may overshoot 0. `silence` is the share of time, from 0
    to 1, in windows of 20 ms in which no sample reaches SILENCE_THRESHOLD. `clipped` counts samples at the limit of
    what the coding can express.
    """

    rms_dbfs: float
    peak_dbfs: float
    silence: float
    clipped: int


LEVEL_FLOOR = -120.0
"""The lowest level that is stated, in dBFS: digital silence has none."""
SILENCE_THRESHOLD = -50.0
"""The peak in dBFS below which a window is silent: above the noise of a telephone line, below speech."""


@dataclass(frozen=True, slots=True)
class MediaReport:
    """All that was found out about one body: facts, levels per channel and a waveform.

    `levels` is empty when nothing could be measured. `peaks` is a waveform in the binary format, version 2, of the
    BBC's audiowaveform (docs/media.md), at most MAX_PEAKS_BYTES; empty when there is none.
    """

    facts: MediaFacts
    levels: tuple[ChannelLevel, ...] = ()
    peaks: bytes = b""


PEAKS_HEADER_BYTES = 24
"""The size of the header of a waveform, version 2."""
MAX_PEAK_PAIRS = 131_072
"""The most pairs of minimum and maximum in a waveform, all channels together."""
MAX_PEAKS_BYTES = PEAKS_HEADER_BYTES + 2 * MAX_PEAK_PAIRS
"""The largest waveform: 256 KiB and its header, however long the recording is."""


@dataclass(frozen=True, slots=True)
class SampleLayout:
    """Where the samples of sample-addressable media lie, so that a stretch of time can be silenced in place.

    Frame n takes `block_align` bytes from `data_offset` + n x `block_align`; `silence` is one frame of silence.
    `data_size` is how many bytes of audio the header declares: what follows them is no audio; None when it declares
    nothing.
    """

    data_offset: int
    block_align: int
    sample_rate: int
    silence: bytes
    data_size: int | None = None
