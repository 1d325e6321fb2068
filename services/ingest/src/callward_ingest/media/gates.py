"""What stands before the decoder: passes audio on, keeps tags and pictures away, and bounds what it may be made to hold."""

from typing import Protocol

from callward_ingest.domain.media import Finding, FindingCode


class Gate(Protocol):
    """Looks at the bytes of one body, in order, before a decoder sees them. No content makes it raise.

    `closed` is True once nothing that follows is passed on: what is wrong is in the findings. `wants_stored` is True
    when the content can be read by seeking alone. `declared_frames` and `declared_packets` are what headers promise,
    None if nothing.
    """

    closed: bool
    wants_stored: bool
    declared_frames: int | None
    declared_packets: int | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found out, in order."""
        ...

    def accept(self, data: bytes) -> bytes:
        """Takes the next bytes; returns what the decoder gets of them."""
        ...

    def conclude(self) -> None:
        """Says that no more bytes come."""
        ...


class OpenGate:
    """Passes everything on: for raw audio, which has nothing but audio."""

    def __init__(self) -> None:
        self.closed = False
        self.wants_stored = False
        self.declared_frames: int | None = None
        self.declared_packets: int | None = None
        self._findings: dict[FindingCode, Finding] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was found out, in order."""
        return tuple(self._findings.values())

    def accept(self, data: bytes) -> bytes:
        """Passes the bytes on."""
        return data

    def conclude(self) -> None:
        """Has nothing to say about the end."""

    def find(self, code: FindingCode, text: str) -> None:
        """Puts a finding down, unless there is one of its code."""
        self._findings.setdefault(code, Finding(code, text))

    def close(self, code: FindingCode, text: str) -> None:
        """Puts a finding down and passes nothing on from here."""
        self.find(code, text)
        self.closed = True
