"""FFmpeg by PyAV, held short: one demuxer, one codec, no protocol, no other file, bounded probing. In a worker thread.

Nothing that FFmpeg says is logged: PyAV discards its log, which may quote tags.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol

import av
import av.error
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from callward_ingest.domain.media import ChannelLevel, Finding, FindingCode
from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.samples import ArrayMeter

_DEMUXERS = {
    "ogg": ("ogg", "opus"),
    "mp3": ("mp3", "mp3"),
    "flac": ("flac", "flac"),
    "mp4": ("mov", "aac"),
    "raw": ("g722", "g722"),
}
_DECODERS = {"opus": "opus", "mp3": "mp3,mp3float", "flac": "flac", "aac": "aac", "g722": "g722,adpcm_g722"}
_CANONICAL = {"mp3float": "mp3", "adpcm_g722": "g722"}
_OPTIONS = {
    "protocol_whitelist": "none",
    "probesize": "65536",
    "formatprobesize": "65536",
    "analyzeduration": "1000000",
    "max_streams": "8",
    # PyAV asks for invented timestamps; to invent them packets would be held without bound.
    "fflags": "-genpts",
}
_MOV_OPTIONS = {
    "enable_drefs": "0",
    "use_absolute_path": "0",
    "ignore_editlist": "1",
    "advanced_editlist": "0",
    "ignore_chapters": "1",
}
_SAMPLES: dict[str, type[np.generic]] = {
    "s16": np.int16,
    "s16p": np.int16,
    "s32": np.int32,
    "s32p": np.int32,
    "flt": np.float32,
    "fltp": np.float32,
}
_READ_SIZE = 32 * 1024
_TOLERATED = 20
"""One packet in so many may be damaged without the recording being kept apart."""


class Source(Protocol):
    """Where a decoder reads from: `read` gives no bytes at the end and never more than asked for."""

    def read(self, size: int) -> bytes:
        """Gives the next bytes."""
        ...


@dataclass(slots=True)
class Decoded:
    """What decoding one body gave. `coded_bytes` is the size of all packets; numbers are 0 when nothing was decoded."""

    codec: str = ""
    channels: int = 0
    sample_rate: int = 0
    bits: int = 0
    frames: int = 0
    coded_bytes: int = 0
    packets: int = 0
    damaged: int = 0
    levels: tuple[ChannelLevel, ...] = ()
    peaks: bytes = b""
    findings: list[Finding] = field(default_factory=list)

    def find(self, code: FindingCode, text: str) -> None:
        """Puts a finding down."""
        self.findings.append(Finding(code, text))


class Decoder:
    """Decodes one body and measures what comes out, sample by sample, keeping none of it."""

    def __init__(self, container: str, limits: MediaLimits, progress: Callable[[], None]) -> None:
        """`container` as MediaFacts has it; `progress` is called whenever a packet is done."""
        self._container = container
        self._limits = limits
        self._progress = progress
        self._result = Decoded()
        self._meter: ArrayMeter | None = None
        self._samples = 0

    def run(self, source: Source) -> Decoded:
        """Reads the source to its end, or as far as the limits let it. Raises what `source` raises."""
        result = self._result
        try:
            with self._open(source) as container:
                self._decode(container)
        except (av.error.FFmpegError, ValueError, KeyError):
            if not result.frames:
                result.find(FindingCode.unreadable, "The content cannot be decoded.")
            else:
                result.damaged += 1
        self._conclude()
        return result

    def _open(self, source: Source) -> InputContainer:
        demuxer, codec = _DEMUXERS[self._container]
        options = {**_OPTIONS, "format_whitelist": _names(demuxer), "codec_whitelist": _DECODERS[codec]}
        if demuxer == "mov":
            options |= _MOV_OPTIONS
        return av.open(
            source,
            mode="r",
            format=demuxer,
            container_options=options,
            metadata_errors="ignore",
            buffer_size=_READ_SIZE,
            io_open=_refuse,
        )

    def _decode(self, container: InputContainer) -> None:
        stream = self._choose(container)
        if stream is None:
            return
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            self._result.packets += packet.size > 0
            self._result.coded_bytes += packet.size
            if self._result.packets > self._limits.max_packets:
                self._result.find(
                    FindingCode.over_limits, f"There are more than {self._limits.max_packets} packets."
                )
                return
            try:
                frames = packet.decode()
            except (av.error.FFmpegError, ValueError):
                self._result.damaged += 1
                continue
            finally:
                self._progress()
            if not all(self._take(frame) for frame in frames):
                return

    def _choose(self, container: InputContainer) -> AudioStream | None:
        result, (_, wanted) = self._result, _DEMUXERS[self._container]
        if len(container.streams) != 1:
            result.find(FindingCode.other_streams, "There is another stream beside the audio.")
        stream = next(iter(container.streams.audio), None)
        context = stream.codec_context if stream is not None else None
        name = _CANONICAL.get(context.name, context.name) if context is not None else ""
        if stream is None or context is None or name != wanted:
            result.find(FindingCode.unsupported_codec, f"Of {self._container} only {wanted} is taken.")
            return None
        result.codec = name
        return stream

    def _take(self, frame: AudioFrame) -> bool:
        """Measures a frame; False when decoding ends here."""
        result, limits = self._result, self._limits
        channels, rate = frame.layout.nb_channels, frame.sample_rate
        if self._meter is None:
            if not (1 <= channels <= limits.max_channels and 1 <= rate <= limits.max_sample_rate):
                text = f"There are {channels} channels at {rate} Hz, which is outside what is accepted."
                result.find(FindingCode.over_limits, text)
                return False
            result.channels, result.sample_rate = channels, rate
            result.bits = _bits(self._container, frame)
        if (channels, rate) != (result.channels, result.sample_rate):
            result.find(FindingCode.inconsistent_header, "Channels or sample rate change on the way.")
            return False
        self._samples += frame.samples * channels
        if self._samples > limits.max_samples:
            result.find(FindingCode.over_limits, f"There are more than {limits.max_samples} samples.")
            return False
        array = _samples(frame, channels)
        if self._meter is None:
            self._meter = ArrayMeter(channels, rate, array.dtype)
        self._meter.feed(array)
        result.frames += frame.samples
        return True

    def _conclude(self) -> None:
        result = self._result
        if self._meter is not None:
            result.levels, result.peaks = self._meter.finish()
        if result.damaged and not any(finding.code is FindingCode.unreadable for finding in result.findings):
            if result.damaged * _TOLERATED > result.packets:
                text = f"{result.damaged} of {result.packets} packets cannot be decoded."
                result.find(FindingCode.unreadable, text)
            else:
                text = f"{result.damaged} of {result.packets} packets are damaged."
                result.find(FindingCode.damaged_audio, text)


def _names(demuxer: str) -> str:
    # The demuxer of M4A goes by all the names it has.
    return "mov,mp4,m4a,3gp,3g2,mj2" if demuxer == "mov" else demuxer


def _bits(container: str, frame: AudioFrame) -> int:
    """Gives the bits of a sample where a codec has any: FLAC."""
    return frame.format.bits if container == "flac" else 0


def _samples(frame: AudioFrame, channels: int) -> NDArray[Any]:
    """Gives a frame's samples, one row per channel, where the decoder left them."""
    kind = _SAMPLES[frame.format.name]
    rows: NDArray[Any]
    if not frame.format.is_planar:
        packed = np.frombuffer(memoryview(frame.planes[0]), kind, frame.samples * channels)
        rows = packed.reshape(frame.samples, channels).T
    else:
        rows = np.stack([np.frombuffer(memoryview(plane), kind, frame.samples) for plane in frame.planes])
    return rows


def _refuse(*_: object) -> NoReturn:
    raise PermissionError("a decoder opens nothing")
