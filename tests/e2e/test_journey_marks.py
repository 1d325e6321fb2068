"""A card number is said during a call: it is silent in what is kept, and every paper says so."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from callward_cli.main import main
from tests.support.audio import CHANNELS, RATE, SAMPLE, wav
from tests.support.doors import Callward, Client, saw
from tests.support.journeys import YES, answered, ask_to_listen, consented_call, media
from tests.support.waiting import eventually

HEADER = 44
AUDIO = wav(4)
#: The recording starts ten seconds into the call.
CLOCK = "2025-11-05T18:30:10Z"
MASK = {
    "kind": "mask",
    "at": "2025-11-05T18:30:11Z",
    "until": "2025-11-05T18:30:12.500Z",
    "reason": "card-data",
}


def mark(platform: Client, call_id: str, **body: Any) -> dict[str, Any]:
    return answered(platform.post(f"/v1/calls/{call_id}/marks", json=body), 201)


def send(platform: Client, call_id: str, **query: str) -> dict[str, Any]:
    answer = platform.post(
        "/v1/recordings",
        params={"call": call_id, **query},
        content=AUDIO,
        headers={"Content-Type": "audio/wav", "Idempotency-Key": secrets.token_hex(16)},
    )
    return answered(answer, 201)


def byte(second: float) -> int:
    return HEADER + int(second * RATE) * CHANNELS * SAMPLE


def test_what_was_masked_is_silent_and_everybody_is_told(callward: Callward) -> None:
    platform, person = callward.call_platform(), callward.person()
    call_id = consented_call(platform)
    stated = mark(platform, call_id, **MASK)
    assert stated["countsAsEvidence"] is False
    recording = send(platform, call_id, startedAt=CLOCK)
    assert (recording["state"], recording["reasons"]) == ("sealed", [])
    ranges = [{"startMicroseconds": 1_000_000, "endMicroseconds": 2_500_000}]
    assert recording["maskedRanges"] == ranges
    recording_id = recording["recordingId"]
    heard = person.get(media(person, recording_id)).content
    start, end = byte(1), byte(2.5)
    assert len(heard) == len(AUDIO), "never a cut"
    assert heard[:start] == AUDIO[:start]
    assert heard[start:end] == bytes(end - start)
    assert heard[end:] == AUDIO[end:]
    shown = answered(person.get(f"/v1/recordings/{recording_id}"), 200)
    assert shown["media"]["maskedRanges"] == ranges
    assert [(each["kind"], each["reason"]) for each in shown["marks"]] == [("mask", "card-data")]
    assert "statement" not in shown["marks"][0]


def test_a_statement_verifies_offline_with_the_proof_of_its_event(
    callward: Callward,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform, siem = callward.call_platform(), callward.siem()
    stated = mark(platform, consented_call(platform), **MASK)

    def proof() -> dict[str, Any] | None:
        answer = siem.get(f"/v1/events/{stated['eventId']}/proof")
        return answer.json() if answer.status_code == 200 else None

    papers = {
        "mark.json": {"statement": stated["statement"]},
        "proof.json": eventually(proof, "the proof of the mark's event"),
        "keys.json": answered(callward.nobody(callward.doors.audit).get("/.well-known/jwks.json"), 200),
    }
    for name, document in papers.items():
        (tmp_path / name).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    arguments = ["verify", "mark.json", "--proof", "proof.json", "--keys", "keys.json", "--json"]
    monkeypatch.setattr("sys.argv", ["callward", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    report = json.loads(capsys.readouterr().out)
    assert (ended.value.code or 0, report["good"]) == (0, True), report
    assert (report["facts"]["mark_id"], report["facts"]["reason"]) == (stated["markId"], "card-data")


def test_a_mask_that_was_not_applied_is_heard_by_nobody(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = consented_call(platform)
    before = send(platform, call_id, startedAt=CLOCK)
    assert mark(platform, call_id, **MASK)["keptRecordings"] == [before["recordingId"]]
    unplaced = send(platform, call_id)
    assert (unplaced["state"], unplaced["reasons"]) == ("quarantined", ["mask-not-applied"])
    assert ask_to_listen(callward.person(), unplaced["recordingId"]).status_code in (403, 409)


def test_a_mark_hides_no_spoken_consent_and_a_leg_has_its_own_clock(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = consented_call(platform)
    hiding = {**MASK, "at": YES["givenAt"]}
    answer = platform.post(f"/v1/calls/{call_id}/marks", json=hiding)
    assert saw(answer) == (409, "evidence-silenced")
    leg = {"legId": "patient", "startedAt": CLOCK, "partyIds": ["patient"]}
    answered(platform.post(f"/v1/calls/{call_id}/legs", json=leg), 201)
    mark(platform, call_id, kind="leg-added", at=CLOCK, legId="patient")
    mark(platform, call_id, **MASK, legId="patient")
    recording = send(platform, call_id, leg="patient")
    assert recording["maskedRanges"] == [{"startMicroseconds": 1_000_000, "endMicroseconds": 2_500_000}]
    shown = answered(platform.get(f"/v1/calls/{call_id}"), 200)
    assert (shown["legs"], shown["marks"]) == (1, 2)
