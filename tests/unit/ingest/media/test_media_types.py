"""Declared media types: what is taken, as what, and that everything else is refused with the list of what is taken."""

from contextlib import suppress
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_common.errors import UnsupportedMediaType
from callward_ingest.domain.media import MediaFacts
from callward_ingest.domain.media_types import TAKEN, DeclaredMedia, RawFormat, parse_media_type

RAW = {"audio/basic", "audio/pcmu", "audio/pcma", "audio/g722"}


@pytest.mark.parametrize(
    ("header", "declared"),
    [
        ("audio/wav", DeclaredMedia("audio/wav")),
        ("audio/x-wav", DeclaredMedia("audio/wav")),
        (" Audio/WAVE ", DeclaredMedia("audio/wav")),
        ("audio/vnd.wave;codecs=7", DeclaredMedia("audio/wav")),
        ("audio/basic", DeclaredMedia("audio/basic", RawFormat("pcm_mulaw", 8000, 1))),
        ("audio/PCMU", DeclaredMedia("audio/pcmu", RawFormat("pcm_mulaw", 8000, 1))),
        ("audio/PCMU;rate=16000;channels=2", DeclaredMedia("audio/pcmu", RawFormat("pcm_mulaw", 16000, 2))),
        ('audio/pcma; Rate="8000" ;', DeclaredMedia("audio/pcma", RawFormat("pcm_alaw", 8000, 1))),
        ("audio/PCMA;ptime=20", DeclaredMedia("audio/pcma", RawFormat("pcm_alaw", 8000, 1))),
        ("audio/G722", DeclaredMedia("audio/g722", RawFormat("g722", 16000, 1))),
        ("audio/G722;rate=8000", DeclaredMedia("audio/g722", RawFormat("g722", 16000, 1))),
        ("audio/ogg", DeclaredMedia("audio/ogg")),
        ('audio/ogg; codecs="opus"', DeclaredMedia("audio/ogg")),
        ("audio/mpeg", DeclaredMedia("audio/mpeg")),
        ("audio/mp3", DeclaredMedia("audio/mpeg")),
        ("audio/flac", DeclaredMedia("audio/flac")),
        ("audio/x-flac", DeclaredMedia("audio/flac")),
        ("audio/mp4;codecs=mp4a.40.2", DeclaredMedia("audio/mp4")),
        ("audio/x-m4a", DeclaredMedia("audio/mp4")),
    ],
)
def test_what_is_taken(header: str, declared: DeclaredMedia) -> None:
    assert parse_media_type(header) == declared


@pytest.mark.parametrize("header", TAKEN)
def test_what_is_said_to_be_taken_is_taken(header: str) -> None:
    parse_media_type(header)


@pytest.mark.parametrize(
    "header",
    [
        *("", "audio", "audio/", "/wav", "video/mp4", "audio/aac", "audio/opus", "application/ogg"),
        *("text/plain", "multipart/form-data; boundary=x", "audio/wav, audio/ogg", "audio/wav garbage"),
        *("audio/PCMU;rate", "audio/PCMU;rate=", "audio/PCMU;rate=0", "audio/PCMU;rate=-8000"),
        *("audio/PCMU;rate=384001", "audio/PCMU;rate=1e4", "audio/PCMU;channels=33", "audio/PCMU;channels=0"),
        *("audio/PCMU;rate=8000;rate=16000", 'audio/PCMU;rate="8000', "audio/PCMU;rate=8000\x00"),
        *("audio/G722;rate=16000", "audio/G722;channels=2", "audio/PCMU;rate=٨٠٠٠"),
        *(
            "audio/ogg;codecs=vorbis",
            "audio/mp4;codecs=alac",
            "audio/mp4;codecs=mp4a",
            "audio/ogg;codecs=opus,speex",
        ),
    ],
)
def test_what_is_not_taken(header: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        parse_media_type(header)
    assert caught.value.extra == {"taken": list(TAKEN)}
    assert "audio/flac" in caught.value.detail


@given(st.text(max_size=60) | st.from_regex(r"audio/(pcmu|pcma|g722|ogg|mp4)(;[a-z]{1,8}=.{0,6}){0,3}"))
def test_no_header_does_anything_else(header: str) -> None:
    with suppress(UnsupportedMediaType):
        declared = parse_media_type(header)
        # Parts of what is taken, whatever else a header holds.
        assert declared.media_type in {taken.partition(";")[0].lower() for taken in TAKEN}
        assert (declared.raw is None) == (declared.media_type not in RAW)


@given(st.text(max_size=60))
def test_what_a_caller_sent_is_not_echoed(header: str) -> None:
    with pytest.raises(UnsupportedMediaType) as caught:
        parse_media_type(f"audio/wav !{header}")
    assert caught.value.detail == f"Content-Type is malformed. Taken are: {', '.join(TAKEN)}."


@pytest.mark.parametrize(
    ("container", "codec", "rate", "media_type"),
    [
        ("wav", "pcm_mulaw", 8000, "audio/wav"),
        ("ogg", "opus", 48000, "audio/ogg;codecs=opus"),
        ("mp3", "mp3", 44100, "audio/mpeg"),
        ("mp4", "aac", 48000, "audio/mp4"),
        ("raw", "pcm_mulaw", 16000, "audio/PCMU;rate=16000;channels=1"),
        ("raw", "pcm_alaw", 8000, "audio/PCMA;rate=8000;channels=1"),
        ("raw", "g722", 16000, "audio/G722;rate=8000;channels=1"),
        ("", "", 0, "application/octet-stream"),
        ("raw", "", 0, "application/octet-stream"),
    ],
)
def test_what_was_recognised_has_a_type_that_is_taken_again(
    container: str, codec: str, rate: int, media_type: str
) -> None:
    facts = MediaFacts(container, codec, 1, rate, 0, None, 1, 1, 1, Fraction(1), 1, None, ())
    assert facts.media_type == media_type
    if media_type == "application/octet-stream":
        return
    if container == "raw":
        assert parse_media_type(media_type).raw == RawFormat(codec, rate, 1)
    else:
        parse_media_type(media_type)
