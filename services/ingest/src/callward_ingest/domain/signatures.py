"""What the first bytes of a body say it is."""

SIGNATURE_BYTES = 12
"""How many of the first bytes are looked at."""

_RIFF = (b"RIFF", b"RF64", b"BW64")
_FREE_OR_RESERVED = (0, 15)


def container_of(first: bytes, *, raw: bool) -> str:
    """Names the container that begins with these bytes: "wav", "ogg", "mp3", "flac" or "mp4"; "" for anything else.

    `raw`: raw audio was declared. It may begin with any bytes; then a frame of MP3 without a tag says nothing, since
    its mark is silence in mu-law.
    """
    if first[:4] in _RIFF:
        return "wav"
    if first[:4] == b"OggS":
        return "ogg"
    if first[:4] == b"fLaC":
        return "flac"
    if first[4:8] == b"ftyp":
        return "mp4"
    if first[:3] == b"ID3" or (not raw and _is_mp3_frame(first)):
        return "mp3"
    return ""


def _is_mp3_frame(first: bytes) -> bool:
    """ISO/IEC 11172-3 section 2.4.1.3: sync word, a version, layer III, a bit rate and a sample rate that exist."""
    if len(first) < 4 or first[0] != 0xFF or first[1] & 0xE0 != 0xE0:
        return False
    version, layer = first[1] >> 3 & 3, first[1] >> 1 & 3
    return version != 1 and layer == 1 and first[2] >> 4 not in _FREE_OR_RESERVED and first[2] >> 2 & 3 != 3
