"""The `fmt ` chunk of a WAVE file (Microsoft `mmreg.h`: PCMWAVEFORMAT, WAVEFORMATEX, WAVEFORMATEXTENSIBLE)."""

import struct
from dataclasses import dataclass

from callward_ingest.domain.media import Finding, FindingCode

MIN_SIZE = 16
"""The size in bytes of the smallest `fmt ` chunk."""
FULL_SIZE = 40
"""The size in bytes of a WAVE_FORMAT_EXTENSIBLE `fmt ` chunk; what follows is of no use here."""
MAX_CHANNELS = 32
"""The most channels that are accepted."""
MAX_SAMPLE_RATE = 384_000
"""The highest sample rate in hertz that is accepted."""

_PCM, _ALAW, _MULAW, _EXTENSIBLE = 0x0001, 0x0006, 0x0007, 0xFFFE
_PCM_CODECS = {8: "pcm_u8", 16: "pcm_s16le", 24: "pcm_s24le", 32: "pcm_s32le"}
_LAW_CODECS = {_ALAW: "pcm_alaw", _MULAW: "pcm_mulaw"}
# What follows the format tag in the sub-format GUID: xxxxxxxx-0000-0010-8000-00AA00389B71.
_SUB_FORMAT_TAIL = bytes.fromhex("000000001000800000aa00389b71")


@dataclass(frozen=True, slots=True)
class WaveFormat:
    """What a `fmt ` chunk states. `codec` is empty and `frame_size` 0 when frames cannot be counted by it."""

    codec: str
    channels: int
    sample_rate: int
    bits: int
    frame_size: int
    findings: tuple[Finding, ...]


def parse_format(body: bytes) -> WaveFormat:
    """Reads the first 16 to 40 bytes of a `fmt ` chunk. What is wrong with them is in the findings."""
    tag, channels, sample_rate, byte_rate, block_align, bits = struct.unpack_from("<HHIIHH", body)
    if not (1 <= channels <= MAX_CHANNELS and 1 <= sample_rate <= MAX_SAMPLE_RATE):
        text = (
            f"The header states {channels} channels at {sample_rate} Hz, which is outside what is accepted."
        )
        return WaveFormat("", channels, sample_rate, bits, 0, (Finding(FindingCode.unreadable, text),))
    lies: list[str] = []
    if tag == _EXTENSIBLE:
        if len(body) < FULL_SIZE:
            text = f"The extensible format takes {FULL_SIZE} bytes; {len(body)} are there."
            return WaveFormat("", channels, sample_rate, bits, 0, (Finding(FindingCode.unreadable, text),))
        tag, valid_bits = _sub_format(body)
        if valid_bits > bits:
            lies.append(f"{valid_bits} valid bits in samples of {bits}")
    codec = _PCM_CODECS.get(bits, "") if tag == _PCM else _LAW_CODECS.get(tag, "")
    if not codec:
        text = f"Format 0x{tag:04x} with {bits} bits is not one of PCM 8, 16, 24, 32, A-law and mu-law."
        return WaveFormat("", channels, sample_rate, bits, 0, (Finding(FindingCode.unsupported_codec, text),))
    sample_size = bits // 8 if tag == _PCM else 1
    frame_size = channels * sample_size
    if tag != _PCM and bits != 8:
        lies.append(f"{bits} bits for a codec of 8")
    if block_align != frame_size:
        lies.append(f"frames of {block_align} bytes instead of {frame_size}")
    if byte_rate != sample_rate * frame_size:
        lies.append(f"{byte_rate} bytes per second instead of {sample_rate * frame_size}")
    text = f"The header contradicts itself: {', '.join(lies)}."
    findings = (Finding(FindingCode.inconsistent_header, text),) if lies else ()
    return WaveFormat(codec, channels, sample_rate, sample_size * 8, frame_size, findings)


def _sub_format(body: bytes) -> tuple[int, int]:
    """Gives the format tag within the GUID (the extensible tag itself for a foreign GUID) and the valid bits."""
    (valid_bits,) = struct.unpack_from("<H", body, 18)
    (tag,) = struct.unpack_from("<H", body, 24)
    return (tag if body[26:40] == _SUB_FORMAT_TAIL else _EXTENSIBLE), valid_bits
