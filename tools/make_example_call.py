#!/usr/bin/env python3
"""Remakes examples/two-party-call.wav and its JSON, byte for byte, from recorded telephone prompts.

The prompts come from the Debian package asterisk-core-sounds-en-wav 1.6.1-1 (8 kHz, a human speaker; licence, credit
and changes: examples/CREDITS.md). Nothing but the standard library is needed.

    tools/make_example_call.py            writes both files
    tools/make_example_call.py --check    compares them with what would be written; exit code 1 when they differ
"""

import argparse
import array
import hashlib
import json
import struct
import sys
import wave
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

RATE = 8000
SOUNDS = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
STARTED_AT = datetime(2025, 11, 5, 18, 30, tzinfo=UTC)
LAST_PAUSE = 400
GRID = RATE // 100  # turns begin, and the call ends, on whole hundredths of a second

Prompts = Callable[[str], Sequence[int]]
"""Gives the 16-bit samples of a prompt by its name."""


@dataclass(frozen=True)
class Turn:
    """One turn: after `pause` milliseconds a party says the prompts one after another."""

    party: str
    pause: int
    prompts: tuple[str, ...]
    name: str = ""


TURNS = (
    Turn("patient", 500, ("hello",)),
    Turn("hospital", 350, ("conf-now-recording",), "announcement"),
    Turn("hospital", 250, ("vm-saveoper",), "question"),
    Turn("patient", 450, ("letters/y", "letters/e", "letters/s"), "verbal-yes"),
    Turn("hospital", 350, ("auth-thankyou",)),
    Turn("hospital", 300, ("telephone-number",)),
    Turn("patient", 500, tuple(f"digits/{digit}" for digit in "5550142")),
    Turn("hospital", 400, ("your", "time", "is-set-to", "digits/day-4", "digits/2", "digits/p-m")),
    Turn("patient", 400, ("privacy-thankyou", "goodbye")),
    Turn("hospital", 250, ("vm-goodbye",)),
)
"""The call: the hospital calls a patient, announces the recording, asks, and gets a yes before anything else."""


def encode_mulaw(sample: int) -> int:
    """Encodes one 16-bit sample as G.711 mu-law (ITU-T G.711, table 2a), clipping beyond 32635."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), 32635) + 132
    exponent = magnitude.bit_length() - 8
    return ~(sign | exponent << 4 | magnitude >> (exponent + 3) & 0x0F) & 0xFF


def installed_prompts(folder: Path) -> Prompts:
    """Gives a reader of the prompts in a folder. A prompt that is missing or of another format ends the program."""

    def read(name: str) -> Sequence[int]:
        try:
            with wave.open(str(folder / f"{name}.wav"), "rb") as file:
                if (file.getnchannels(), file.getsampwidth(), file.getframerate()) != (1, 2, RATE):
                    raise SystemExit(f"{name}: not 16-bit mono at {RATE} Hz")
                samples = array.array("h", file.readframes(file.getnframes()))
        except (OSError, wave.Error) as error:
            raise SystemExit(f"{name}: {error} (apt-get install asterisk-core-sounds-en-wav)") from error
        if sys.byteorder == "big":
            samples.byteswap()
        return samples

    return read


def compose(prompts: Prompts) -> tuple[bytes, dict[str, float]]:
    """Gives the audio (mu-law, hospital left, patient right) and where each named turn begins, in seconds."""
    channels: dict[str, bytearray] = {"hospital": bytearray(), "patient": bytearray()}
    silence = bytes([encode_mulaw(0)])
    offsets: dict[str, float] = {}
    position = 0
    for turn in TURNS:
        position = _on_grid(position + turn.pause * RATE // 1000)
        if turn.name:
            offsets[turn.name] = position / RATE
        speech = bytes(encode_mulaw(sample) for prompt in turn.prompts for sample in prompts(prompt))
        speaker = channels[turn.party]
        speaker += silence * (position - len(speaker)) + speech
        position = len(speaker)
    frames = _on_grid(position + LAST_PAUSE * RATE // 1000)
    audio = bytearray(2 * frames)
    for index, speaker in enumerate(channels.values()):
        audio[index::2] = speaker.ljust(frames, silence)
    return bytes(audio), offsets


def _on_grid(position: int) -> int:
    return -(-position // GRID) * GRID


def as_wav(audio: bytes) -> bytes:
    """Gives stereo mu-law audio as a WAV file: WAVEFORMATEX with cbSize 0, then `fact` with the frame count."""
    fmt = struct.pack("<HHIIHHH", 0x0007, 2, RATE, 2 * RATE, 2, 8, 0)
    body = (
        b"WAVE"
        + _chunk(b"fmt ", fmt)
        + _chunk(b"fact", struct.pack("<I", len(audio) // 2))
        + _chunk(b"data", audio)
    )
    return _chunk(b"RIFF", body)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def _party(party_id: str, role: str, jurisdiction: str, telephone: str) -> dict[str, object]:
    return {"partyId": party_id, "role": role, "jurisdictions": [jurisdiction], "telephone": telephone}


def metadata(wav: bytes, duration: float, offsets: dict[str, float]) -> bytes:
    """Gives what a call platform posts about the call: the call, its evidence, its end; and the recording's facts."""

    def evidence(kind: str, turn: str, **more: str) -> dict[str, object]:
        return {
            "kind": kind,
            "partyId": "patient",
            "givenAt": _moment(offsets[turn]),
            "offsetSeconds": offsets[turn],
            **more,
        }

    document = {
        "call": {
            "queue": "appointments",
            "direction": "outbound",
            "startedAt": _moment(0),
            "ageGroup": "adult",
            "parties": [
                _party("hospital", "organisation", "CA", "+14155550100"),
                _party("patient", "patient", "TX", "+15125550142"),
            ],
            "patientReference": "MRN-0048213",
            "agentId": "agent-7",
        },
        "evidence": [
            evidence("announcement", "announcement", scriptId="en-recording-notice", scriptVersion="1"),
            evidence("verbal-yes", "verbal-yes"),
        ],
        "end": {"endedAt": _moment(duration)},
        "recording": {
            "file": "two-party-call.wav",
            "mediaType": "audio/wav",
            "size": len(wav),
            "sha256": hashlib.sha256(wav).hexdigest(),
            "durationSeconds": duration,
            "channels": ["hospital", "patient"],
        },
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _moment(offset: float) -> str:
    moment = STARTED_AT + timedelta(seconds=offset)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def make(prompts: Prompts) -> dict[str, bytes]:
    """Gives both files by their names."""
    audio, offsets = compose(prompts)
    wav = as_wav(audio)
    return {"two-party-call.wav": wav, "two-party-call.json": metadata(wav, len(audio) / 2 / RATE, offsets)}


def main() -> int:
    """Writes the files, or compares them; returns the exit code."""
    parser = argparse.ArgumentParser(description="Remakes the example call from recorded telephone prompts.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    parser.add_argument(
        "--sounds", type=Path, default=SOUNDS, help="where the prompts are (default: %(default)s)"
    )
    parser.add_argument(
        "--examples", type=Path, default=EXAMPLES, help="where the files are (default: %(default)s)"
    )
    options = parser.parse_args()
    differing = 0
    for name, content in make(installed_prompts(options.sounds)).items():
        path = options.examples / name
        if not options.check:
            path.write_bytes(content)
            print(f"{path}: {len(content)} bytes written")
        elif path.is_file() and path.read_bytes() == content:
            print(f"{name}: the same")
        else:
            differing += 1
            print(f"{name}: differs")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
