"""A receipt is proved at the door where it was given: within seconds, and as a file that `callward verify` takes."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from callward_cli.main import main
from callward_common.ids import new_id
from tests.support.doors import CLINIC, Callward, Client, saw
from tests.support.journeys import Recorded, answered, record
from tests.support.platform import RunningPlatform
from tests.support.waiting import eventually


def proof_of(sender: Client, recorded: Recorded) -> dict[str, Any]:
    """The proof of a receipt, asked for until it is there."""

    def given() -> dict[str, Any] | None:
        answer = sender.get(f"/v1/receipts/{recorded.recording_id}/proof")
        if answer.status_code == 200:
            document: dict[str, Any] = answer.json()
            return document
        assert saw(answer) == (404, "proof-not-yet")
        assert int(answer.headers["retry-after"]) >= 1
        return None

    return eventually(given, "the receipt's proof")


def verify(*arguments: Path | str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", ["callward", "verify", *(str(each) for each in arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return int(ended.value.code)


def test_the_receipts_proof_verifies_as_it_is(
    callward: Callward, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, recorded, other = callward.call_platform(), record(callward), record(callward)
    files = {
        "keys.json": answered(sender.get("/.well-known/jwks.json"), 200),
        "receipt.json": answered(sender.get(f"/v1/receipts/{recorded.recording_id}"), 200),
        "proof.json": proof_of(sender, recorded),
        "other.json": proof_of(sender, other),
    }
    for name, document in files.items():
        (tmp_path / name).write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    keys, receipt = tmp_path / "keys.json", tmp_path / "receipt.json"
    for proof, code in (("proof.json", 0), ("other.json", 1)):
        given = (receipt, "--proof", tmp_path / proof, "--keys", keys)
        assert verify(*given, monkeypatch=monkeypatch) == code
    assert verify(tmp_path / "proof.json", "--keys", keys, monkeypatch=monkeypatch) == 0


def test_it_is_the_file_that_audits_door_gives(callward: Callward) -> None:
    recorded = record(callward)
    own = proof_of(callward.call_platform(), recorded)
    audits = answered(callward.siem().get(f"/v1/events/{recorded.answer['eventId']}/proof"), 200)
    assert set(own) == set(audits)
    for name in ("format", "log", "origin", "leafIndex", "event"):
        assert own[name] == audits[name]
    event = json.loads(own["event"])
    assert event["metadata"]["uid"] == recorded.answer["eventId"]
    assert event["metadata"]["event_code"] == "callward.ingest.v1.RecordingSealed"


def test_without_a_checkpoint_it_is_not_yet(platform: RunningPlatform, callward: Callward) -> None:
    sender = callward.call_platform()
    with platform.audit_stands_still():
        recorded = record(callward)
        path = f"/v1/receipts/{recorded.recording_id}/proof"
        answer = sender.get(path)
        assert saw(answer) == (404, "proof-not-yet")
        assert int(answer.headers["retry-after"]) >= 1
        # The receipt itself was given: it needs what is durable, not what is read by now.
        assert sender.get(f"/v1/receipts/{recorded.recording_id}").status_code == 200
    assert proof_of(sender, recorded)["leafIndex"] >= 0


def test_another_tenants_receipt_has_no_proof(callward: Callward) -> None:
    recorded = record(callward)
    proof_of(callward.call_platform(), recorded)
    for sender, recording_id in (
        (callward.call_platform(CLINIC), recorded.recording_id),
        (callward.call_platform(), new_id()),
    ):
        assert saw(sender.get(f"/v1/receipts/{recording_id}/proof")) == (404, "recording-not-found")
    assert saw(callward.call_platform().get("/v1/receipts/nonsense/proof")) == (400, "invalid-request")
    assert saw(callward.nobody(callward.doors.ingest).get(f"/v1/receipts/{recorded.recording_id}/proof")) == (
        401,
        "token-missing",
    )
