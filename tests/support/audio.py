"""Recordings for e2e tests: WAV files of noise, and files that only claim to be one."""

import random
import struct

#: Bytes of plaintext in a segment, and in the first one (sealing.md section 1).
SEGMENT, FIRST_SEGMENT = 65_520, 65_480
RATE, CHANNELS, SAMPLE = 16_000, 2, 2


def wav(seconds: float = 5.0, *, seed: int = 1) -> bytes:
    """Gives 16-bit stereo PCM at 16 kHz: 64,000 bytes a second, none of them like another's."""
    audio = random.Random(seed).randbytes(int(seconds * RATE) * CHANNELS * SAMPLE)
    return header(len(audio)) + audio


def header(audio_bytes: int) -> bytes:
    """Gives the 44 bytes before the audio, with the length that they claim."""
    block = CHANNELS * SAMPLE
    return (
        b"RIFF"
        + struct.pack("<I", 36 + audio_bytes)
        + b"WAVEfmt "
        + struct.pack("<IHHIIHH", 16, 1, CHANNELS, RATE, RATE * block, block, SAMPLE * 8)
        + b"data"
        + struct.pack("<I", audio_bytes)
    )


def lying(claimed: int = 1_000_000) -> bytes:
    """Gives a WAV file whose header claims more audio than there is."""
    return header(claimed) + wav(0.5)[44:]
