"""Who may touch an upload, and what its metadata and its bytes may not bring about (draft: "Security Considerations")."""

import base64
import re
import uuid

import pytest

from callward_common.clock import SystemClock
from tests.support.audio import lying, wav
from tests.support.doors import CLINIC, HOSPITAL, Callward
from tests.support.journeys import REVOCATION, answered, ask_to_listen, consented_call, open_call
from tests.support.platform import RunningPlatform
from tests.support.searching import found_in, table_rows
from tests.support.uploads import Answer, Sender, heard, shows, upload_id

AUDIO = wav(1)
#: A file's name as it must not be kept: of no use here, and often a patient's.
PATIENT = "Rosalind-Quillfeather-1961-04-12"


def _everything(sender: Sender, path: str) -> list[Answer]:
    """What anybody can try with an upload's address."""
    return [
        sender.head(path),
        sender.append(path, 10, AUDIO[10:20]),
        sender.append(path, 10, AUDIO[10:], complete=True),
        sender.request("GET", path),
        sender.cancel(path),
    ]


@shows("R-64")
def test_another_tenant_finds_nothing(sender: Sender, callward: Callward) -> None:
    path = sender.created(body=AUDIO[:10])
    platform = callward.call_platform(CLINIC)
    foreign = Sender(platform, consented_call(platform))
    head, *others = _everything(foreign, path)
    assert (head.status, head.get("Upload-Offset")) == (404, None)
    assert {each.problem() for each in others} == {(404, "upload-not-found")}
    nowhere = "/v1/uploads/00000000-0000-7000-8000-000000000000"
    assert [each.status for each in _everything(foreign, nowhere)] == [404] * 5
    # The address of the call is as little use as that of the upload.
    assert Sender(platform, sender.call_id).create(body=AUDIO).problem() == (404, "call-not-found")
    assert sender.append(path, 10, AUDIO[10:], complete=True).status == 201
    assert heard(callward, upload_id(path)) == AUDIO


@shows("R-64")
def test_without_the_right_token_nothing_moves(
    sender: Sender, callward: Callward, platform: RunningPlatform
) -> None:
    path = sender.created(body=AUDIO[:10])
    weak = platform.forge(HOSPITAL, "machines", aud="callward-ingest", sub="weak", scope="calls:write")
    person = callward.person_token(HOSPITAL, "supervisor", "callward-access")
    for token, expected in ((None, 401), ("nonsense", 401), (person, 401), (weak, 403)):
        other = Sender(sender.client.having(token), sender.call_id)
        assert [each.status for each in _everything(other, path)] == [expected] * 5
        assert other.create(body=AUDIO, complete=True).status == expected
    assert sender.head(path).offset == 10


@shows("R-65", "R-66")
def test_addresses_say_nothing_and_cannot_be_guessed(sender: Sender) -> None:
    paths = [sender.created() for _ in range(24)]
    ids = [uuid.UUID(upload_id(path)) for path in paths]
    assert all(re.fullmatch(r"/v1/uploads/[0-9a-f-]{36}", path) for path in paths)
    assert {each.version for each in ids} == {7}
    # 62 random bits at the end (RFC 9562 section 5.7): no two alike, and no bit that stands still.
    tails = [each.int & (1 << 62) - 1 for each in ids]
    for bit in range(62):
        assert len({tail >> bit & 1 for tail in tails}) == 2, bit


@shows("R-67")
def test_a_files_name_is_not_kept(sender: Sender, platform: RunningPlatform) -> None:
    path = sender.created(
        ("Content-Disposition", f'inline; filename="{PATIENT}.wav"'), ("Content-Location", f"/{PATIENT}")
    )
    encoded = base64.b64encode(f"{PATIENT}.wav".encode()).decode()
    call = base64.b64encode(sender.call_id.encode()).decode()
    tus = sender.request(
        "POST",
        "/v1/uploads",
        ("Tus-Resumable", "1.0.0"),
        ("Upload-Length", "10"),
        ("Upload-Metadata", f"call {call},filetype YXVkaW8vd2F2,filename {encoded}"),
    )
    assert tus.status == 201, tus
    sender.append(path, 0, AUDIO, complete=True)
    for where, row in table_rows(platform):
        assert found_in(row, PATIENT) is None, where


@shows("R-67")
@pytest.mark.parametrize(
    "kind",
    [
        "audio/wav\x01",
        "application/x-sh",
        "text/html",
        "audio",
        "audio/",
        "audio/wav, text/html",
        "a" * 5_000,
        "audio/../x",
        None,
    ],
)
def test_a_media_type_that_is_none(sender: Sender, kind: str | None) -> None:
    answer = sender.create(("Content-Type", kind), body=AUDIO[:10])
    assert answer.status in (400, 415), answer
    assert answer.get("Location") is None


@shows("R-68")
def test_what_is_no_recording_is_seen_across_requests(sender: Sender, callward: Callward) -> None:
    # Each request by itself looks like a part of a recording; together they are none.
    for body, reason in ((b"RIFF" + bytes(5_000), None), (lying(), "length-mismatch"), (b"MZ" * 9, None)):
        path, at = sender.created(), 0
        for size in (1, 2, 3, len(body)):
            piece = body[at : at + size]
            assert sender.append(path, at, piece).status == 204
            at += len(piece)
        taken = sender.append(path, at, complete=True).json(201)
        assert taken["state"] == "quarantined"
        assert reason is None or taken["reasons"] == [reason]
        assert ask_to_listen(callward.person(), upload_id(path)).status_code in (403, 409)


@shows("R-69")
def test_consent_is_asked_again_before_the_end(callward: Callward) -> None:
    platform = callward.call_platform()
    call_id = consented_call(platform)
    sender = Sender(platform, call_id)
    path = sender.created(body=AUDIO[:100])
    answered(platform.post(f"/v1/calls/{call_id}/revocations", json=REVOCATION), 201)
    taken = sender.append(path, 100, AUDIO[100:], complete=True).json(201)
    assert (taken["state"], taken["reasons"]) == ("quarantined", ["consent-revoked"])
    assert ask_to_listen(callward.person(), upload_id(path)).status_code == 403
    assert sender.create(body=AUDIO).problem() == (403, "consent-required")


@shows("R-69")
def test_the_right_to_send_is_asked_again(sender: Sender, platform: RunningPlatform) -> None:
    def ending_in(seconds: int) -> Sender:
        token = platform.forge(
            HOSPITAL,
            "machines",
            aud="callward-ingest",
            sub="call-platform",
            scope="recordings:write",
            exp=int(SystemClock().now().timestamp()) + seconds,
        )
        return Sender(sender.client.having(token), sender.call_id)

    path = ending_in(600).created(body=AUDIO[:10])
    assert ending_in(-600).append(path, 10, AUDIO[10:], complete=True).problem() == (401, "token-expired")
    assert ending_in(600).append(path, 10, AUDIO[10:], complete=True).status == 201


def test_an_upload_without_consent_is_not_begun(callward: Callward) -> None:
    platform = callward.call_platform()
    sender = Sender(platform, open_call(platform))
    answer = sender.create(body=AUDIO, complete=True)
    assert (answer.problem(), answer.get("Location")) == ((403, "consent-required"), None)
    for call in ("", "x", str(uuid.uuid4())):
        wrong = Sender(platform, call).create(body=AUDIO)
        assert wrong.status in (400, 404), wrong
