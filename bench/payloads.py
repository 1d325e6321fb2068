"""What is sent: WAV files of random bytes, so that nothing on the way can be small by chance."""

import os
import struct


def wav(size: int, *, rate: int = 8_000, channels: int = 2, bits: int = 16) -> bytes:
    """Gives a WAV file of `size` bytes, rounded down to whole frames: PCM with a true header."""
    block = channels * bits // 8
    audio = (size - 44) // block * block
    head = struct.pack("<IHHIIHH", 16, 1, channels, rate, rate * block, block, bits)
    riff = b"RIFF" + struct.pack("<I", 36 + audio) + b"WAVEfmt " + head
    return riff + b"data" + struct.pack("<I", audio) + os.urandom(audio)


def fast_wav(size: int) -> bytes:
    """Gives a WAV file whose second of audio is 6.1 MB: its pace of listening is above what a machine can serve.

    192 kHz, 8 channels, 32 bits: within what is accepted, and far from any call. Only so can the speed of a whole
    playback be measured, since listening is paced to twice real time after a lead of 30 s.
    """
    return wav(size, rate=192_000, channels=8, bits=32)
