"""A call platform says which calls it placed, and learns which of them are here, whole, in part, twice or not at all."""

from typing import Any

import httpx

from tests.support.audio import wav
from tests.support.doors import CLINIC, HOSPITAL, Callward, Client, saw
from tests.support.journeys import answered, consented_call, open_call, pull, upload
from tests.support.waiting import eventually

#: A day on which no other journey has calls.
DAY, NEXT = "2025-03-04T00:00:00Z", "2025-03-05T00:00:00Z"
STARTED, ENDED = "2025-03-04T18:30:00Z", "2025-03-04T18:30:30Z"
REFERENCE = "crm-planted-e2e-"
PATH = "/v1/reconciliations"


def placed(platform: Client, calls: list[dict[str, Any]], **headers: str) -> httpx.Response:
    return platform.post(PATH, json={"from": DAY, "to": NEXT, "calls": calls}, headers=headers)


def opened(platform: Client, name: str, audio: bytes | None = None) -> str:
    """A call of that day under a reference, with a recording where there is audio."""
    call_id = open_call(platform, startedAt=STARTED, externalReference=f"{REFERENCE}{name}")
    if audio is not None:
        for kind in (
            {"kind": "announcement", "scriptId": "en-recording-notice", "scriptVersion": "1"},
            {"kind": "verbal-yes"},
        ):
            evidence = {"partyId": "patient", "givenAt": STARTED, "offsetSeconds": 1.0, **kind}
            answered(platform.post(f"/v1/calls/{call_id}/evidence", json=evidence), 201)
        answered(platform.post(f"/v1/calls/{call_id}/end", json={"endedAt": ENDED}), 200)
        assert upload(platform, call_id, audio).status_code == 201
    return call_id


def test_what_was_placed_against_what_is_here(callward: Callward) -> None:
    platform = callward.call_platform()
    whole, part = opened(platform, "whole", wav(2)), opened(platform, "part", wav(1))
    for _ in range(2):
        opened(platform, "twice")
    extra = opened(platform, "extra")
    elsewhere = consented_call(platform)
    calls: list[dict[str, Any]] = [
        {"externalReference": f"{REFERENCE}whole", "startedAt": STARTED, "endedAt": ENDED, "recordings": 1},
        {"callId": part, "durationSeconds": 30},
        {"externalReference": f"{REFERENCE}twice"},
        {"externalReference": f"{REFERENCE}nowhere"},
        {"callId": whole},
        {"callId": elsewhere},
    ]
    answer = placed(platform, calls, **{"Idempotency-Key": "placed-1"})
    document = answered(answer, 201)
    found = [(item["finding"], item["details"]) for item in document["items"]]
    assert found == [
        ("matched", []),
        ("incomplete", ["shorter-than-stated"]),
        ("duplicate", ["stored-twice"]),
        ("missing", ["unknown-call"]),
        ("duplicate", ["named-twice"]),
        ("missing", ["no-recording"]),
        ("unexpected", ["no-recording"]),
    ]
    assert document["items"][0]["callId"] == whole
    assert document["items"][-1]["callId"] == extra
    assert sum(document["counts"].values()) == 7
    again = placed(platform, calls, **{"Idempotency-Key": "placed-1"})
    assert (again.headers["Idempotent-Replayed"], again.json()) == ("true", document)
    read = platform.get(answer.headers["Location"])
    assert REFERENCE not in read.text
    assert answered(read, 200)["counts"] == document["counts"]
    assert document["reconciliationId"] in platform.get(PATH).text
    assert saw(callward.call_platform(CLINIC).get(answer.headers["Location"])) == (
        404,
        "reconciliation-not-found",
    )


def test_a_revised_reference_is_found_too(callward: Callward) -> None:
    platform = callward.call_platform(CLINIC)
    call_id = open_call(platform, startedAt=STARTED)
    patch = {"externalReference": f"{REFERENCE}late"}
    headers = {"Content-Type": "application/merge-patch+json"}
    answered(platform.request("PATCH", f"/v1/calls/{call_id}", json=patch, headers=headers), 200)
    named = {"externalReference": f"{REFERENCE}late", "recordings": 0}
    (item,) = answered(placed(platform, [named]), 201)["items"]
    assert (item["finding"], item["callId"]) == ("matched", call_id)


def test_it_is_on_record_by_numbers_alone(callward: Callward) -> None:
    platform, siem = callward.call_platform(), callward.siem(HOSPITAL)
    named = {"externalReference": f"{REFERENCE}on-record"}
    document = answered(placed(platform, [named]), 201)

    def line() -> bytes | None:
        lines = [each for each in pull(siem)[0] if document["reconciliationId"].encode() in each]
        return lines[0] if lines else None

    found = eventually(line, "the reconciliation on record")
    assert b"ReconciliationMade" in found
    assert REFERENCE.encode() not in b"".join(pull(siem)[0])
