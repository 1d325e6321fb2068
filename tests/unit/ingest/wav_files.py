"""Builds WAV files, honest and otherwise, and reads them."""

import struct
from pathlib import Path

from callward_ingest.domain.wav import MediaFacts, WavReader

EXAMPLE = Path(__file__).parents[3] / "examples" / "two-party-call.wav"
UNKNOWN = 0xFFFF_FFFF
GUID_TAIL = bytes.fromhex("000000001000800000aa00389b71")
MULAW, ALAW, PCM, EXTENSIBLE = 7, 6, 1, 0xFFFE


def chunk(name: bytes, body: bytes, size: int | None = None, *, padded: bool = True) -> bytes:
    """Builds a chunk; `size` is what it claims, its true size unless given."""
    padding = b"\0" if padded and len(body) % 2 else b""
    return name + struct.pack("<I", len(body) if size is None else size) + body + padding


def fmt(tag: int = MULAW, channels: int = 2, rate: int = 8000, bits: int = 8, **lies: int) -> bytes:
    """Builds a `fmt ` chunk of 18 bytes; `align` and `byte_rate` override what follows from the rest."""
    align = lies.get("align", channels * bits // 8)
    body = struct.pack("<HHIIHHH", tag, channels, rate, lies.get("byte_rate", rate * align), align, bits, 0)
    return chunk(b"fmt ", body)


def extensible(sub_format: bytes, bits: int, valid: int) -> bytes:
    """Builds a mono `fmt ` chunk of 40 bytes at 8 kHz."""
    head = struct.pack("<HHIIHHHHI", EXTENSIBLE, 1, 8000, 1000 * bits, bits // 8, bits, 22, valid, 4)
    return chunk(b"fmt ", head + sub_format)


def wav(*chunks: bytes, size: int | None = None, name: bytes = b"RIFF") -> bytes:
    """Builds a file of chunks; `size` is what it claims."""
    return chunk(name, b"WAVE" + b"".join(chunks), size, padded=False)


def rf64(riff_size: int, data_size: int, audio: bytes, name: bytes = b"RF64") -> bytes:
    """Builds an RF64 file with these 64-bit sizes."""
    ds64 = chunk(b"ds64", struct.pack("<QQQI", riff_size, data_size, len(audio) // 2, 0))
    return wav(ds64, fmt(), chunk(b"data", audio, UNKNOWN), size=UNKNOWN, name=name)


def read(*pieces: bytes) -> MediaFacts:
    """Reads one body in pieces."""
    reader = WavReader()
    for piece in pieces:
        reader.feed(piece)
    return reader.finish()


def codes(body: bytes) -> list[str]:
    """Gives the codes found in a body."""
    return [str(code) for code in read(body).codes]
