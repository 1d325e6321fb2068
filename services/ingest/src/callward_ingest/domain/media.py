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


_INFORMATIONAL = frozenset({FindingCode.length_undeclared, FindingCode.trailing_partial_frame})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out about media: a stable code, and a text that names sizes and numbers but no content."""

    code: FindingCode
    text: str

    @property
    def quarantines(self) -> bool:
        """True when media with this finding is kept apart; False when the finding only informs.

        Undeclared lengths are what streaming writers leave behind, and a partial frame at the end costs less than
        one sample: both leave every whole frame readable.
        """
        return self.code not in _INFORMATIONAL


@dataclass(frozen=True, slots=True)
class MediaFacts:
    """What was measured of one body of media. Sizes in bytes; numbers are 0 and texts empty when not known.

    `container` is "wav", "rf64" or "bw64"; `codec` is a name like "pcm_mulaw" or "pcm_s16le"; `declared_bytes` is
    the audio that the header promises, None when it promises nothing; `audio_bytes` is the audio that came;
    `data_offset` is where it begins, None when it never does; `frames` counts whole frames (one sample of every
    channel); `duration` is exact, in seconds; `findings` has each code at most once.
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
        """The media type of what was recognised: "audio/wav", or "application/octet-stream" (RFC 2046) for the rest."""
        return "audio/wav" if self.container else "application/octet-stream"

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
