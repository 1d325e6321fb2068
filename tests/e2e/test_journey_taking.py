"""Call platforms send recordings: with consent, once per key, and whatever the bytes turn out to be."""

import threading
from collections.abc import Iterator

import httpx
import pytest

from tests.support.audio import header, lying, wav
from tests.support.doors import HOSPITAL, Callward, Client, saw
from tests.support.journeys import (
    ANNOUNCEMENT,
    REVOCATION,
    YES,
    answered,
    ask_to_listen,
    consented_call,
    open_call,
    upload,
)
from tests.support.waiting import eventually


def listed(person: Client) -> str:
    return person.get("/v1/recordings", params={"pageSize": 200}).text


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "empty"),
        (b"These are not the bytes of a recording. " * 50, "not-audio"),
        (lying(), "length-mismatch"),
        (header(0), "silent-empty"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "unreadable"),
        (b"%PDF-1.7\n" + bytes(2000), "not-audio"),
    ],
    ids=["zero-bytes", "text", "lying-header", "no-audio", "cut-header", "pdf"],
)
def test_what_is_no_recording_is_quarantined_and_never_dropped(
    callward: Callward, body: bytes, reason: str
) -> None:
    platform, person = callward.call_platform(), callward.person()
    call_id = consented_call(platform)
    answer = answered(upload(platform, call_id, body), 201)
    assert (answer["state"], answer["reasons"]) == ("quarantined", [reason])
    assert answer["receipt"].count(".") == 2
    recording_id = answer["recordingId"]
    again = answered(platform.get(f"/v1/recordings/{recording_id}"), 200)
    assert (again["state"], again["reasons"]) == ("quarantined", [reason])
    assert answered(platform.get(f"/v1/receipts/{recording_id}"), 200)["receipt"] == answer["receipt"]
    assert recording_id not in listed(person)
    refused = ask_to_listen(person, recording_id)
    assert refused.status_code in (403, 409), refused.text
    assert saw(refused)[1] in ("policy-forbids", "recording-not-playable")


def test_without_evidence_nothing_is_taken(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = open_call(platform)
    refused = upload(platform, call_id, wav(0.5))
    assert saw(refused) == (403, "consent-required")
    assert "632" in refused.text, "the statute is named"
    answered(platform.post(f"/v1/calls/{call_id}/evidence", json=ANNOUNCEMENT), 201)
    assert saw(upload(platform, call_id, wav(0.5))) == (403, "consent-required")
    assert answered(platform.get(f"/v1/calls/{call_id}"), 200)["recordings"] == []


def test_a_revocation_before_the_upload_refuses_it(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = consented_call(platform)
    answered(platform.post(f"/v1/calls/{call_id}/revocations", json=REVOCATION), 201)
    assert saw(upload(platform, call_id, wav(0.5))) == (403, "consent-required")


def test_a_revocation_during_the_upload_quarantines_it(callward: Callward) -> None:
    platform, audio = callward.call_platform(), wav(3)
    call_id = consented_call(platform)
    before = {each["recordingId"] for each in recordings_of(platform, call_id)}
    go_on, answers = threading.Event(), list[httpx.Response]()

    def slowly() -> Iterator[bytes]:
        yield audio[:100_000]
        assert go_on.wait(30)
        yield audio[100_000:]

    def send() -> None:
        with httpx.Client(trust_env=False, timeout=60) as http:
            own = Client(http, platform.base, platform.token)
            answers.append(
                own.post(
                    f"/v1/recordings?call={call_id}",
                    content=slowly(),
                    headers={"Content-Type": "audio/wav", "Idempotency-Key": f"slow-{call_id}"},
                )
            )

    sender = threading.Thread(target=send)
    sender.start()
    try:
        eventually(
            lambda: {each["recordingId"] for each in recordings_of(platform, call_id)} - before,
            "the upload's begin",
        )
        answered(platform.post(f"/v1/calls/{call_id}/revocations", json=REVOCATION), 201)
    finally:
        go_on.set()
        sender.join(60)
    answer = answered(answers[0], 201)
    assert (answer["state"], answer["reasons"]) == ("quarantined", ["consent-revoked"])
    assert answer["recordingId"] not in listed(callward.person())
    assert ask_to_listen(callward.person(), answer["recordingId"]).status_code == 403


def recordings_of(platform: Client, call_id: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = answered(platform.get(f"/v1/calls/{call_id}"), 200)["recordings"]
    return found


def test_the_same_key_and_body_give_the_same_answer(callward: Callward) -> None:
    platform, audio = callward.call_platform(), wav(0.5)
    call_id = consented_call(platform)
    first = upload(platform, call_id, audio, key="replayed-upload")
    again = upload(platform, call_id, audio, key="replayed-upload")
    assert answered(again, 201) == answered(first, 201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    assert len(recordings_of(platform, call_id)) == 1
    other = upload(platform, call_id, wav(0.5, seed=9), key="replayed-upload")
    assert saw(other) == (409, "idempotency-key-reused")


def test_small_requests_are_replayed_as_well(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = open_call(platform)
    path, once = f"/v1/calls/{call_id}/evidence", {"Idempotency-Key": f"evidence-{call_id}"}
    first = platform.post(path, json=YES, headers=once)
    again = platform.post(path, json=YES, headers=once)
    assert answered(again, 201) == answered(first, 201)
    assert again.headers["idempotent-replayed"] == "true"
    other = platform.post(path, json={**YES, "offsetSeconds": 1.0}, headers=once)
    assert saw(other) == (409, "idempotency-key-reused")


def test_recording_is_off_unless_policy_turns_it_on(callward: Callward) -> None:
    platform = callward.call_platform(HOSPITAL)
    call_id = open_call(platform, queue="front-desk")
    for evidence in (ANNOUNCEMENT, YES):
        answer = platform.post(f"/v1/calls/{call_id}/evidence", json=evidence)
        assert answered(answer, 201)["decision"]["outcome"] == "recording-off"
    assert saw(upload(platform, call_id, wav(0.5))) == (403, "consent-required")


def test_the_sender_is_told_how_long_it_is_kept_and_why(callward: Callward) -> None:
    platform = callward.call_platform()
    answer = answered(upload(platform, consented_call(platform), wav(0.5)), 201)
    assert answer["retention"]["citation"]
    assert answer["retention"]["retainUntil"] <= answer["retention"]["deleteAfter"]
    assert answer["decision"]["decidingRule"]["jurisdiction"] == "CA"
