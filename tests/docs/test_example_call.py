"""The example call: the files agree with one another, the speech is where the metadata says, the licence is there."""

import hashlib
import importlib.util
import json
import subprocess
import sys
from datetime import datetime
from math import sqrt
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from callward_ingest.domain.wav import WavReader

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TOOL = ROOT / "tools" / "make_example_call.py"
HEADER = 58
QUIET, LOUD = 40.0, 300.0


@pytest.fixture(scope="module")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_example_call", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def wav() -> bytes:
    return (EXAMPLES / "two-party-call.wav").read_bytes()


@pytest.fixture(scope="module")
def metadata() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((EXAMPLES / "two-party-call.json").read_bytes())
    return loaded


def expand(code: int) -> int:
    """Decodes mu-law after the formula of ITU-T G.711, apart from the encoder under test."""
    code = ~code & 0xFF
    value = (((code & 0x0F) << 3) + 132 << (code >> 4 & 7)) - 132
    return -value if code & 0x80 else value


@pytest.fixture(scope="module")
def channels(wav: bytes) -> dict[str, list[int]]:
    table = [expand(code) for code in range(256)]
    return {
        name: [table[code] for code in wav[HEADER + index :: 2]]
        for index, name in enumerate(("hospital", "patient"))
    }


def loudness(samples: list[int], start: float, stop: float) -> float:
    """Gives the RMS between two moments in seconds."""
    part = samples[int(start * 8000) : int(stop * 8000)]
    return sqrt(sum(sample * sample for sample in part) / len(part))


def test_the_header_is_that_of_a_mulaw_file(wav: bytes) -> None:
    size = len(wav) - HEADER
    expected = (
        b"RIFF" + (len(wav) - 8).to_bytes(4, "little") + b"WAVE"
        b"fmt \x12\0\0\0" b"\x07\0\x02\0" b"\x40\x1f\0\0" b"\x80\x3e\0\0" b"\x02\0\x08\0\0\0"
        b"fact\x04\0\0\0" + (size // 2).to_bytes(4, "little") + b"data" + size.to_bytes(4, "little")
    )  # fmt: skip
    assert wav[:HEADER] == expected


def test_the_metadata_agrees_with_the_file(wav: bytes, metadata: dict[str, Any]) -> None:
    reader = WavReader()
    reader.feed(wav)
    facts = reader.finish()
    stated = metadata["recording"]
    assert facts.findings == ()
    assert 20 <= facts.duration <= 40
    assert (stated["size"], stated["sha256"]) == (len(wav), hashlib.sha256(wav).hexdigest())
    assert (stated["durationSeconds"], stated["mediaType"]) == (float(facts.duration), facts.media_type)
    started = datetime.fromisoformat(metadata["call"]["startedAt"])
    ended = datetime.fromisoformat(metadata["end"]["endedAt"])
    assert ended - started == facts.length
    for evidence in metadata["evidence"]:
        given = datetime.fromisoformat(evidence["givenAt"]) - started
        assert given.total_seconds() == evidence["offsetSeconds"]


def test_the_announcement_and_the_yes_are_heard_where_the_metadata_says(
    channels: dict[str, list[int]], metadata: dict[str, Any]
) -> None:
    offsets = {evidence["kind"]: evidence["offsetSeconds"] for evidence in metadata["evidence"]}
    announced, consented = offsets["announcement"], offsets["verbal-yes"]
    assert announced < consented
    for speaker, listener, at in (("hospital", "patient", announced), ("patient", "hospital", consented)):
        assert loudness(channels[speaker], at - 0.2, at) < QUIET
        assert loudness(channels[speaker], at, at + 1.5) > LOUD
        assert loudness(channels[listener], at, at + 1.5) < QUIET


def test_both_parties_speak_in_turns_and_nothing_clips(channels: dict[str, list[int]]) -> None:
    duration = len(channels["patient"]) / 8000
    seconds = [step / 10 for step in range(int(duration * 10))]
    spoken = {
        name: {at for at in seconds if loudness(samples, at, at + 0.1) > LOUD}
        for name, samples in channels.items()
    }
    assert len(spoken["hospital"]) > 100
    assert len(spoken["patient"]) > 60
    assert not spoken["hospital"] & spoken["patient"]
    for samples in channels.values():
        assert loudness(samples, 0, duration) > 1000
        assert max(map(abs, samples)) < 32124


def test_everybody_in_it_is_fictional(metadata: dict[str, Any]) -> None:
    parties = metadata["call"]["parties"]
    assert [(party["role"], party["jurisdictions"]) for party in parties] == [
        ("organisation", ["CA"]),
        ("patient", ["TX"]),
    ]
    assert all(party["telephone"][5:10] == "55501" and len(party["telephone"]) == 12 for party in parties)
    assert metadata["call"]["patientReference"].startswith("MRN-")


def test_licence_credit_and_change_note_lie_beside_it(tool: ModuleType) -> None:
    licence = (EXAMPLES / "LICENSE.CC-BY-SA-3.0").read_text()
    for words in (
        "1. Definitions.",
        "4. Restrictions.",
        "8. Miscellaneous.",
        "recorded by Allison\nSmith for Asterisk",
    ):
        assert words in licence
    credit = (EXAMPLES / "CREDITS.md").read_text()
    for words in ("Allison Smith", "CC BY-SA 3.0", "1.6.1-1", "The original work has been modified"):
        assert words in credit
    for turn in tool.TURNS:
        prompts = " ".join(f"`{prompt}`" for prompt in turn.prompts)
        assert f"| {turn.party} | {prompts} |" in credit


def test_the_encoder_is_that_of_g711(tool: ModuleType) -> None:
    known = {0: 0xFF, 32767: 0x80, -32768: 0x00, 1000: 0xCE, -1000: 0x4E, 132: 0xEF, -1: 0x7F}
    assert {sample: tool.encode_mulaw(sample) for sample in known} == known
    for sample in range(-32635, 32636):
        code = tool.encode_mulaw(sample)
        half_step = 4 << (~code >> 4 & 7)
        assert abs(sample - expand(code)) <= half_step


def test_the_composition_puts_each_party_on_its_channel(tool: ModuleType) -> None:
    audio, offsets = tool.compose(lambda name: [20000] * 4000)
    assert len(audio) % (2 * tool.GRID) == 0
    for name, own, other in (("announcement", 0, 1), ("verbal-yes", 1, 0)):
        frame = 2 * round(offsets[name] * tool.RATE)
        assert audio[frame + own] == tool.encode_mulaw(20000)
        assert audio[frame + other] == audio[frame - 2 + own] == 0xFF


def test_the_files_are_remade_byte_for_byte(tool: ModuleType) -> None:
    if not tool.SOUNDS.is_dir():
        pytest.skip("the Debian package asterisk-core-sounds-en-wav is not installed")
    done = subprocess.run(
        [sys.executable, TOOL, "--check"], capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, done.stdout.count("the same")) == (0, 2), done.stdout + done.stderr


def test_a_changed_file_and_missing_prompts_are_reported(tool: ModuleType, tmp_path: Path) -> None:
    missing = subprocess.run(
        [sys.executable, TOOL, "--check", "--sounds", tmp_path],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert missing.returncode == 1
    assert "asterisk-core-sounds-en-wav" in missing.stderr
    assert "Traceback" not in missing.stderr
