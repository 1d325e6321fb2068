"""Media that has to be decoded to be measured: a worker thread per body, fed as the body passes."""

import asyncio
import math
import threading
from collections.abc import Callable
from fractions import Fraction

from callward_ingest.domain.media import Finding, FindingCode, MediaFacts, MediaReport, SampleLayout
from callward_ingest.media.decoder import Decoded, Decoder
from callward_ingest.media.gates import Gate
from callward_ingest.media.limits import MediaLimits
from callward_ingest.media.pipe import Pipe, PipeAbandoned
from callward_ingest.media.stored import StoredMediaFailed, open_stored
from callward_ingest.ports import StoredMedia

_READ_SIZE = 32 * 1024


class DecodedMeasure:
    """Measures one body of a container that a gate stands before."""

    layout: SampleLayout | None = None

    def __init__(self, container: str, gate: Gate, limits: MediaLimits) -> None:
        """`container` as MediaFacts has it. Made in a running loop."""
        self._container = container
        self._gate = gate
        self._limits = limits
        self._size = 0
        self._pipe = Pipe(limits.max_buffered_bytes)
        self._worker: _Worker | None = None
        self._stalled = False
        self._closed = False

    async def feed(self, chunk: bytes) -> None:
        """Takes the next bytes; waits while the decoder has enough to do."""
        self._size += len(chunk)
        if self._worker is None:
            self._worker = _Worker(self._decode_passing)
        view, step = memoryview(chunk), self._limits.max_buffered_bytes
        for start in range(0, len(view), step):
            await self._wait(self._worker, self._pipe.room)
            self._pipe.write(view[start : start + step])

    async def finish(self, stored: StoredMedia | None = None) -> MediaReport:
        """Gives the report; an index at the end is looked for in `stored`. Raises what `stored` raises.

        Raises ValueError after `close`: what the decoder would have said is not known any more.
        """
        if self._closed:
            raise ValueError("this reader was closed before it had finished")
        decoded = await self._result()
        findings = list(self._gate.findings)
        if self._gate.wants_stored and stored is not None:
            decoded, more = await self._from_stored(stored)
            findings += more
        elif self._gate.wants_stored:
            text = "The index is at the end: it can be read from where the content is stored alone."
            decoded, findings = Decoded(), [*findings, Finding(FindingCode.unmeasured, text)]
        if self._stalled:
            findings.append(Finding(FindingCode.decoder_stalled, "The decoder did not get on."))
        findings += _about(decoded, self._gate, explained=any(each.quarantines for each in findings))
        facts = self._facts(decoded, findings)
        return MediaReport(facts, decoded.levels, decoded.peaks)

    async def close(self) -> None:
        """Lets the thread go: it ends at its next read."""
        self._closed = True
        self._pipe.abandon()

    async def _result(self) -> Decoded:
        self._pipe.end()
        if self._worker is None:
            return Decoded()
        await self._wait(self._worker, self._worker.ended)
        return Decoded() if self._stalled else self._worker.result()

    async def _from_stored(self, stored: StoredMedia) -> tuple[Decoded, list[Finding]]:
        findings: list[Finding] = []

        def decode(progress: Callable[[], None]) -> Decoded:
            view, found = open_stored(stored, self._limits)
            findings.extend(found)
            if view is None:
                return Decoded()
            decoded = Decoder(self._container, self._limits, progress).run(view)
            if view.failure is not None:
                raise StoredMediaFailed from view.failure
            self._gate.declared_packets = view.declared_packets
            return decoded

        worker = _Worker(decode)
        await self._wait(worker, worker.ended)
        return (Decoded() if self._stalled else worker.result()), findings

    async def _wait(self, worker: "_Worker", event: asyncio.Event) -> None:
        """Waits for something that a thread brings about; gives the thread up when it makes no progress at all."""
        while not (event.is_set() or self._stalled):
            before = worker.steps
            try:
                async with asyncio.timeout(self._limits.stall_seconds):
                    await event.wait()
            except TimeoutError:
                self._stalled = worker.steps == before
                if self._stalled:
                    self._pipe.abandon()

    def _decode_passing(self, progress: Callable[[], None]) -> Decoded:
        try:
            return Decoder(self._container, self._limits, progress).run(
                _Gated(self._pipe, self._gate, progress)
            )
        except PipeAbandoned:
            return Decoded()
        finally:
            self._pipe.stop_reading()

    def _facts(self, decoded: Decoded, findings: list[Finding]) -> MediaFacts:
        duration = Fraction(decoded.frames, decoded.sample_rate) if decoded.sample_rate else Fraction(0)
        first: dict[FindingCode, Finding] = {}
        for finding in findings:
            first.setdefault(finding.code, finding)
        return MediaFacts(
            container=self._container,
            codec=decoded.codec,
            channels=decoded.channels,
            sample_rate=decoded.sample_rate,
            bits=decoded.bits,
            declared_bytes=None,
            audio_bytes=decoded.coded_bytes,
            total_bytes=self._size,
            frames=decoded.frames,
            duration=duration,
            bytes_per_second=math.ceil(self._size / duration) if duration else 0,
            data_offset=None,
            findings=tuple(first.values()),
        )


def _about(decoded: Decoded, gate: Gate, *, explained: bool) -> list[Finding]:
    """Gives what decoding found. `explained`: it is known already why there may be no audio. Nothing passes unmeasured."""
    if not decoded.frames and explained:
        return []
    findings = [*_ends(decoded, gate), *decoded.findings]
    if not decoded.frames and not any(each.quarantines for each in findings):
        findings.append(Finding(FindingCode.silent_empty, "There is not one whole frame of audio."))
    return findings


def _ends(decoded: Decoded, gate: Gate) -> list[Finding]:
    """Compares what the header promises with what came."""
    if any(finding.code is FindingCode.over_limits for finding in decoded.findings):
        return []
    declared, came, what = gate.declared_frames, decoded.frames, "frames of audio"
    if gate.declared_packets is not None:
        declared, came, what = gate.declared_packets, decoded.packets, "packets of audio"
    if declared is None or not decoded.frames or declared == came:
        return []
    return [Finding(FindingCode.length_mismatch, f"The header states {declared} {what}; {came} came.")]


class _Gated:
    """What a decoder reads in the thread: the pipe, as the gate lets it through."""

    def __init__(self, pipe: Pipe, gate: Gate, progress: Callable[[], None]) -> None:
        self._pipe, self._gate, self._progress = pipe, gate, progress
        self._held = bytearray()
        self._at_end = False

    def read(self, size: int) -> bytes:
        while len(self._held) < size and not self._at_end:
            raw = self._pipe.read(_READ_SIZE)
            self._progress()
            self._held += self._gate.accept(raw)
            self._at_end = self._gate.closed or len(raw) < _READ_SIZE
            if self._at_end:
                self._gate.conclude()
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken


class _Worker:
    """A thread that ends with a result, and counts its steps so that others see whether it gets on.

    It is a daemon: a decoder that hangs for ever must not keep the process from ending.
    """

    def __init__(self, work: Callable[[Callable[[], None]], Decoded]) -> None:
        self.steps = 0
        self._work = work
        self._loop = asyncio.get_running_loop()
        self.ended = asyncio.Event()
        self._decoded = Decoded()
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="media-decoder", daemon=True).start()

    def result(self) -> Decoded:
        """Gives what the thread ended with. Raises what stored media raised."""
        if isinstance(self._error, StoredMediaFailed) and self._error.__cause__ is not None:
            raise self._error.__cause__
        if self._error is not None:
            self._decoded.find(FindingCode.unreadable, "The content cannot be decoded.")
        return self._decoded

    def _run(self) -> None:
        try:
            self._decoded = self._work(self._step)
        except BaseException as error:
            self._error = error
        finally:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self.ended.set)

    def _step(self) -> None:
        self.steps += 1
