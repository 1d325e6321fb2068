"""Which media types are taken, and what their parameters say (RFC 9110 section 8.3, RFC 3551, RFC 4856)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from callward_common.errors import UnsupportedMediaType

MAX_RAW_RATE = 384_000
"""The highest sample rate in hertz of raw audio."""
MAX_RAW_CHANNELS = 32
"""The most channels of raw audio."""

TAKEN = (
    "audio/wav",
    "audio/basic",
    "audio/PCMU;rate=8000;channels=1",
    "audio/PCMA;rate=8000;channels=1",
    "audio/G722;rate=8000",
    "audio/ogg;codecs=opus",
    "audio/mpeg",
    "audio/flac",
    "audio/mp4",
)
"""What is taken, as it is told to callers; rate and channels of PCMU and PCMA may be others."""

_ALIASES = {
    "audio/x-wav": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/vnd.wave": "audio/wav",
    "audio/mp3": "audio/mpeg",
    "audio/x-flac": "audio/flac",
    "audio/x-m4a": "audio/mp4",
    "audio/m4a": "audio/mp4",
}
# The codecs that a container may announce (RFC 6381): one of these, or one that begins like these.
_CODECS = {
    "audio/wav": ("1", "6", "7"),
    "audio/ogg": ("opus",),
    "audio/mpeg": ("mp3",),
    "audio/flac": ("flac",),
    "audio/mp4": ("mp4a.40.",),
}
_LAWS = {"audio/pcmu": "pcm_mulaw", "audio/pcma": "pcm_alaw"}
_NAME = r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+"
_TYPE = re.compile(rf"[ \t]*({_NAME}/{_NAME})[ \t]*")
_PARAMETER = re.compile(rf'[ \t]*(?:({_NAME})=(?:({_NAME})|"([^"\\\x00-\x1f\x7f]*)")[ \t]*)?')
_NUMBER = re.compile(r"[0-9]{1,6}")


@dataclass(frozen=True, slots=True)
class RawFormat:
    """How raw audio is coded. `codec` is "pcm_mulaw", "pcm_alaw" or "g722"; the rate is that of the samples, in hertz."""

    codec: str
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class DeclaredMedia:
    """What a sender says its body is: a type without parameters and aliases, and how it is coded if it is raw."""

    media_type: str
    raw: RawFormat | None = None


def parse_media_type(header: str) -> DeclaredMedia:
    """Reads a Content-Type. Raises UnsupportedMediaType, with the list of what is taken, for everything else.

    Aliases become the registered name, so "audio/x-wav" gives "audio/wav". Parameters that no rule here needs are
    passed over, as RFC 9110 wants of those that are not understood.
    """
    essence, parameters = _split(header)
    kind = _ALIASES.get(essence, essence)
    if kind in _LAWS:
        return DeclaredMedia(kind, _law(_LAWS[kind], parameters))
    if kind == "audio/basic":
        # RFC 2046 section 4.3: mu-law, one channel, 8000 Hz, and no parameters.
        return DeclaredMedia(kind, RawFormat("pcm_mulaw", 8000, 1))
    if kind == "audio/g722":
        return DeclaredMedia(kind, _g722(parameters))
    if kind not in _CODECS:
        raise _unsupported("This media type is not taken.")
    announced = parameters.get("codecs", "").strip().lower()
    if announced and not any(_fits(announced, codec) for codec in _CODECS[kind]):
        raise _unsupported(f"Of {kind} only one codec is taken.")
    return DeclaredMedia(kind)


def _fits(announced: str, codec: str) -> bool:
    return announced.startswith(codec) if codec.endswith(".") else announced == codec


def _split(header: str) -> tuple[str, Mapping[str, str]]:
    essence = _TYPE.match(header)
    if essence is None:
        raise _unsupported("Content-Type is missing or malformed.")
    parameters: dict[str, str] = {}
    position = essence.end()
    while position < len(header):
        found = _PARAMETER.match(header, position + 1)
        if header[position] != ";" or found is None:
            raise _unsupported("Content-Type is malformed.")
        name, token, quoted = found.groups()
        if name is not None and parameters.setdefault(name.lower(), token or quoted or "") != (
            token or quoted or ""
        ):
            raise _unsupported("Content-Type says two things at once.")
        position = found.end()
    return essence[1].lower(), parameters


def _law(codec: str, parameters: Mapping[str, str]) -> RawFormat:
    rate = _number(parameters, "rate", 8000, MAX_RAW_RATE)
    return RawFormat(codec, rate, _number(parameters, "channels", 1, MAX_RAW_CHANNELS))


def _g722(parameters: Mapping[str, str]) -> RawFormat:
    # RFC 3551 section 4.5.2: the rate was once stated wrongly as 8000 and stays so; the samples come at 16,000.
    if _number(parameters, "rate", 8000, MAX_RAW_RATE) != 8000:
        raise _unsupported(
            "The rate of audio/G722 is stated as 8000 (RFC 3551), although it has 16,000 samples a second."
        )
    if _number(parameters, "channels", 1, MAX_RAW_CHANNELS) != 1:
        raise _unsupported("Of audio/G722 only one channel is taken.")
    return RawFormat("g722", 16_000, 1)


def _number(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = parameters.get(name, str(default))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise _unsupported(f"The parameter {name} has to be a number from 1 to {most}.")
    return int(text)


def _unsupported(why: str) -> UnsupportedMediaType:
    return UnsupportedMediaType(f"{why} Taken are: {', '.join(TAKEN)}.", extra={"taken": list(TAKEN)})
