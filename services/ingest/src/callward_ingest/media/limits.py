"""What a body may make its reader do. What exceeds a limit is kept, unmeasured from there on, with a finding."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """The limits of one reader. Every one of them is per body."""

    max_channels: int = 8
    """The most channels of what has to be decoded; WAV and raw G.711 have the limits of `domain.wave_format`."""
    max_sample_rate: int = 192_000
    """The highest sample rate in hertz of what has to be decoded."""
    max_samples: int = 4_000_000_000
    """The most samples that are decoded, all channels together: 11 hours of stereo at 48 kHz, 69 at 8 kHz."""
    max_packets: int = 4_000_000
    """The most packets that are decoded: 22 hours of Opus in packets of 20 ms, and a minute or two of work."""
    max_buffered_bytes: int = 256 * 1024
    """The most bytes that wait for the decoder: the sender waits with them."""
    max_header_bytes: int = 1 << 20
    """The most bytes of an Ogg stream that may pass without any audio in them."""
    max_tag_bytes: int = 16 << 20
    """The most bytes of tags and pictures before MP3 and FLAC; they are passed over, not read."""
    max_index_bytes: int = 16 << 20
    """The largest index (`moov`) of an M4A file; it is held in memory."""
    max_index_samples: int = 2_000_000
    """The most packets that the index of an M4A file may name: 11 hours of AAC at 48 kHz."""
    stall_seconds: float = 30.0
    """How long a decoder may do nothing although it has something to do."""
