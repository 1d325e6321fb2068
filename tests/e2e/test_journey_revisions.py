"""A call platform tells late what it learns of a call; whoever may view sees what is known now, and how it came about."""

import json
from typing import Any

import httpx
import pytest

from tests.support.doors import CLINIC, Callward, Client, saw
from tests.support.journeys import PURPOSE, Recorded, answered, pull, record
from tests.support.platform import RunningPlatform
from tests.support.waiting import eventually

MERGE_PATCH = {"Content-Type": "application/merge-patch+json"}
PLANTED = "Planted: the patient called back"
FIRST = {"patientReference": "MRN-0000777", "externalReference": "crm-e2e-1"}
SECOND = {"notes": PLANTED, "agentId": None, "parties": {"patient": {"telephone": "+15125550777"}}}


def revise(platform: Client, call_id: str, patch: Any, **headers: str) -> httpx.Response:
    """Sends a merge patch. Names of `headers` are written with underscores."""
    sent = MERGE_PATCH | {name.replace("_", "-"): value for name, value in headers.items()}
    return platform.request("PATCH", f"/v1/calls/{call_id}", content=json.dumps(patch).encode(), headers=sent)


def view(callward: Callward, recorded: Recorded) -> dict[str, Any]:
    path = f"/v1/recordings/{recorded.recording_id}/views"
    return answered(callward.person().post(path, json={"purpose": PURPOSE}), 200)


@pytest.fixture(scope="module")
def revised(callward: Callward) -> Recorded:
    recorded, platform = record(callward), callward.call_platform()
    assert view(callward, recorded)["history"] == []
    for number, patch in enumerate((FIRST, SECOND)):
        answer = answered(revise(platform, recorded.call_id, patch, If_Match=f'"{number}"'), 200)
        assert answer["revision"] == number + 1
    return recorded


def test_a_view_merges_what_became_known(callward: Callward, revised: Recorded) -> None:
    shown = view(callward, revised)
    metadata = shown["metadata"]
    assert metadata["patientReference"] == "MRN-0000777"
    assert metadata["externalReference"] == "crm-e2e-1"
    assert metadata["notes"] == PLANTED
    assert "agentId" not in metadata
    numbers = {party["partyId"]: party["telephone"] for party in metadata["parties"]}
    assert numbers == {"hospital": "+14155550100", "patient": "+15125550777"}
    assert [party["role"] for party in metadata["parties"]] == ["organisation", "patient"]
    assert [(each["revision"], each["changed"]) for each in shown["history"]] == [
        (1, ["externalReference", "patientReference"]),
        (2, ["agentId", "notes", "parties.telephone"]),
    ]
    assert {each["by"]["kind"] for each in shown["history"]} == {"machine"}


def test_the_sender_sees_names_and_no_value(callward: Callward, revised: Recorded) -> None:
    platform = callward.call_platform()
    answer = platform.get(f"/v1/calls/{revised.call_id}/revisions")
    listed = answered(answer, 200)["revisions"]
    assert [each["revision"] for each in listed] == [1, 2]
    assert PLANTED not in answer.text
    late = revise(platform, revised.call_id, {"notes": "late"}, If_Match='"1"')
    assert saw(late) == (412, "revision-not-current")
    fixed = revise(platform, revised.call_id, {"queue": "billing"})
    assert (saw(fixed), fixed.json()["field"]) == ((400, "metadata-fixed"), "queue")
    stranger = callward.call_platform(CLINIC)
    assert saw(revise(stranger, revised.call_id, FIRST)) == (404, "call-not-found")


def test_every_opening_and_every_revision_is_on_record_without_values(
    callward: Callward, revised: Recorded
) -> None:
    view(callward, revised)

    def recorded() -> list[bytes] | None:
        lines = [line for line in pull(callward.siem())[0] if revised.call_id.encode() in line]
        return lines if sum(b"CallMetadataRevised" in line for line in lines) == 2 else None

    lines = eventually(recorded, "the revisions on record")
    revisions = [json.loads(line)["unmapped"]["callward"] for line in lines if b"CallMetadataRevised" in line]
    ids = [each["revision_id"] for each in revisions]

    def opened() -> bool:
        whole = pull(callward.siem())[0]
        return all(any(b"KeyOpened" in line and each.encode() in line for line in whole) for each in ids)

    eventually(opened, "the openings of the revisions")
    assert PLANTED.encode() not in b"".join(pull(callward.siem())[0])


def test_a_revision_that_was_tampered_with_is_not_shown(
    callward: Callward, platform: RunningPlatform, revised: Recorded
) -> None:
    recorded = record(callward)
    answered(revise(callward.call_platform(), recorded.call_id, {"notes": PLANTED}), 200)
    platform.sql("ingest", "ALTER TABLE call_revisions DISABLE TRIGGER append_only; SELECT 1", role="owner")
    try:
        changed = (
            "UPDATE call_revisions SET document = document || 'x', document_sha256 = sha256(document || 'x')"
        )
        tenant = "SELECT set_config('callward.tenant', 'bayview-hospital', false); "
        platform.sql(
            "ingest", f"{tenant}{changed} WHERE call_id = '{recorded.call_id}'; SELECT 1", role="owner"
        )
    finally:
        platform.sql(
            "ingest", "ALTER TABLE call_revisions ENABLE ALWAYS TRIGGER append_only; SELECT 1", role="owner"
        )
    path = f"/v1/recordings/{recorded.recording_id}/views"
    answer = callward.person().post(path, json={"purpose": PURPOSE})
    assert saw(answer) == (500, "integrity-failure")
    assert PLANTED not in answer.text
    assert "MRN" not in answer.text
    assert view(callward, revised)["history"], "others are shown as before"
