"""What identifies somebody is in no table, file, event, log line, span or metric; neither is a secret."""

import json
import os
import secrets
from dataclasses import dataclass

import pytest

from callward.keys.v1 import data_key_opener_service_pb2 as opener
from callward.keys.v1 import data_key_opener_service_pb2_grpc as opener_grpc
from callward.keys.v1 import data_key_pb2
from callward_common.ids import new_id
from tests.support import searching
from tests.support.audio import wav
from tests.support.doors import CLINIC, HOSPITAL, Callward, saw
from tests.support.journeys import (
    END,
    PURPOSE,
    REVOCATION,
    YES,
    Recorded,
    answered,
    ask_to_listen,
    call_body,
    media,
    pull,
    record,
    upload,
)
from tests.support.platform import RunningPlatform
from tests.support.telemetry import Telemetry
from tests.support.waiting import eventually


@dataclass(frozen=True)
class Planted:
    """Texts that were sent and occur nowhere else in the world."""

    telephones: tuple[str, str]
    patient: str
    agent: str
    notes: str
    form: str

    @classmethod
    def fresh(cls) -> "Planted":
        number = f"{secrets.randbelow(9000) + 1000}{secrets.randbelow(900) + 100}"
        mark = secrets.token_hex(6)
        return cls(
            (f"+1415{number}", f"+1512{number}"),
            f"MRN-{mark}-patient",
            f"agent-{mark}-agent",
            f"Zoë said {mark} about her notes",
            f"form {mark} cabinet",
        )

    @property
    def texts(self) -> list[str]:
        """Everything to search for."""
        numbers = [number.lstrip("+") for number in self.telephones]
        return [*numbers, self.patient, self.agent, self.notes, self.form]


@pytest.fixture(scope="module")
def planted(callward: Callward) -> Planted:
    """A whole journey with planted texts: taken, listened to, viewed, refused, revoked, and sent in wrong places."""
    planted, cursor = Planted.fresh(), pull(callward.siem())[1]
    platform, person = callward.call_platform(), callward.person()
    body = call_body(patientReference=planted.patient, agentId=planted.agent, notes=planted.notes)
    for party, number in zip(body["parties"], planted.telephones, strict=True):
        party["telephone"] = number
    call_id = answered(platform.post("/v1/calls", json=body), 201)["callId"]
    form = {
        "kind": "written-form",
        "partyId": "patient",
        "givenAt": YES["givenAt"],
        "formReference": planted.form,
    }
    for evidence in (form, YES):
        answered(platform.post(f"/v1/calls/{call_id}/evidence", json=evidence), 201)
    answered(platform.post(f"/v1/calls/{call_id}/end", json=END), 200)
    recorded = answered(upload(platform, call_id, wav(2)), 201)["recordingId"]
    viewed = person.post(f"/v1/recordings/{recorded}/views", json={"purpose": PURPOSE})
    assert planted.patient in viewed.text, "the planted texts did go through"
    assert person.get(media(person, recorded)).status_code == 200
    _misplaced(callward, planted, call_id, recorded)
    answered(platform.post(f"/v1/calls/{call_id}/revocations", json=REVOCATION), 201)
    assert saw(ask_to_listen(person, recorded)) == (403, "consent-forbids")
    eventually(
        lambda: sum(recorded.encode() in line for line in pull(callward.siem(), cursor=cursor)[0]) >= 8,
        "the journey's record",
    )
    return planted


def _misplaced(callward: Callward, planted: Planted, call_id: str, recording_id: str) -> None:
    """The same texts where no caller should put them: in paths, queries, headers, unknown and wrong fields."""
    platform, person, siem = callward.call_platform(), callward.person(), callward.siem()
    for text in planted.texts:
        odd = [
            platform.get(f"/v1/calls/{text}"),
            platform.get(f"/v1/recordings/{text}?telephone={text}"),
            platform.post(f"/v1/recordings?call={text}", content=b"", headers={"Content-Type": "audio/wav"}),
            platform.post("/v1/calls", json={text: text}),
            platform.post("/v1/calls", json=call_body(queue=text, direction=text, agentId=[text])),
            platform.post(f"/v1/calls/{call_id}/evidence", json={**YES, "partyId": text}),
            platform.post(f"/v1/calls/{call_id}/evidence", json={**YES, "kind": text}),
            person.get("/v1/recordings", params={"cursor": text}),
            person.get(f"/v1/recordings/{text}"),
            person.post(f"/v1/recordings/{recording_id}/views", json={"purpose": text}),
            person.post(f"/v1/recordings/{recording_id}/listening-sessions", json={"purpose": text, text: 1}),
            person.get(f"/v1/listening-sessions/{text}/media"),
            siem.get(f"/v1/events/{text}/proof"),
            siem.get(f"/v1/logs/{text}/checkpoint"),
            siem.get("/v1/events", params={"cursor": text, text: text}),
            callward.nobody(callward.doors.access).having(text.replace("ë", "e")).get("/v1/recordings"),
        ]
        for answer in odd:
            assert 200 <= answer.status_code < 500, answer.text
            if answer.status_code >= 400:
                assert text not in answer.text, answer.text


def test_no_table_holds_what_identifies_somebody(platform: RunningPlatform, planted: Planted) -> None:
    rows = 0
    for table, row in searching.table_rows(platform):
        rows += 1
        for text in planted.texts:
            assert searching.found_in(row, text) is None, f"{table} holds {text}"
    assert rows > 100


def test_the_search_would_find_it(platform: RunningPlatform) -> None:
    """A test that cannot fail is none: what is in the tables and files is found, in each disguise."""
    assert any(
        searching.found_in(row, "bayview-hospital") == "plain" for _, row in searching.table_rows(platform)
    )
    assert searching.found_in("… \\x" + "Zoë 1".encode().hex() + " …", "Zoë 1") == "hex"
    assert searching.found_in("eHhNUk4tMTIzNDU2LXBhdGllbnR4", "MRN-123456-patient") is not None
    assert any(b"bayview-hospital" in content for _, content in searching.files(platform))


def test_no_file_holds_what_identifies_somebody(platform: RunningPlatform, planted: Planted) -> None:
    needles = [text.encode() for text in planted.texts]
    wide = [text.encode("utf-16-le") for text in planted.texts]
    seen = 0
    for path, content in searching.files(platform):
        seen += 1
        assert not any(needle in content for needle in needles), path
        if "postgres" not in path.relative_to(platform.data_dir).parts[:1]:
            assert not any(needle in content for needle in wide), path
            text = content.decode("latin-1")
            assert not any(searching.found_in(text, each) for each in planted.texts), path
    assert seen > 50


def test_no_event_holds_what_identifies_somebody(callward: Callward, planted: Planted) -> None:
    for tenant in (HOSPITAL, CLINIC):
        for line in pull(callward.siem(tenant))[0]:
            assert not any(searching.found_in(line.decode(), text) for text in planted.texts), line


def test_no_telemetry_holds_what_identifies_somebody(
    platform: RunningPlatform, telemetry: Telemetry, planted: Planted
) -> None:
    logs, spans, metrics = telemetry.log_text, searching.spans(telemetry), searching.metrics(platform)
    assert '"component": "ingest"' in logs
    assert "callward.caller" in spans
    assert "callward" in metrics
    for text in planted.texts:
        for name, said in (("logs", logs), ("spans", spans), ("metrics", metrics)):
            assert searching.found_in(said, text) is None, f"{name} hold {text}"


@pytest.fixture(scope="module")
def heard(callward: Callward) -> Recorded:
    """Everything that touches a secret has happened: tokens, cookies, keys, sign-ins that fail."""
    recorded, person = record(callward), callward.person()
    granted = ask_to_listen(person, recorded.recording_id)
    cookie = granted.headers["set-cookie"].split(";")[0]
    nobody = callward.nobody(callward.doors.access)
    assert nobody.get(answered(granted, 201)["mediaPath"], headers={"Cookie": cookie}).status_code == 200
    for form in (
        {
            "grant_type": "password",
            "username": "supervisor",
            "password": "wrong",
            "audience": "callward-access",
        },
        {"grant_type": "client_credentials", "client_id": "siem", "client_secret": "wrong", "audience": "x"},
    ):
        kind = "people" if "username" in form else "machines"
        refused = callward.http.post(f"{callward.doors.issuers}/{HOSPITAL}/{kind}/token", data=form)
        assert refused.status_code in (400, 401)
    return recorded


def leased_key(platform: RunningPlatform, callward: Callward, recording_id: str) -> bytes:
    """The rendition's key, asked for as the access gateway does."""

    async def asked() -> bytes:
        channels = platform.channels("access-gateway")
        try:
            stub = opener_grpc.DataKeyOpenerStub(channels.channel("key-management"))
            answer = await stub.OpenDataKey(
                opener.OpenDataKeyRequest(
                    tenant_id=HOSPITAL,
                    subject_kind=data_key_pb2.SUBJECT_KIND_RECORDING,
                    subject_id=recording_id,
                    person_token=callward.person().token or "",
                    rendition="original",
                    purpose=PURPOSE,
                    grant_event_id=new_id(),
                ),
                timeout=10,
            )
            return bytes(answer.subkey)
        finally:
            await channels.close()

    return platform.run(asked())


def secrets_of(platform: RunningPlatform, callward: Callward, recorded: Recorded) -> dict[str, str]:
    """Every secret that a test can know, by what it is."""
    found = {f"account {name}": value for name, value in callward.accounts.items()}
    passwords = json.loads((platform.data_dir / "postgres" / "passwords.json").read_bytes())
    found |= {f"database password of {name}": value for name, value in passwords.items()}
    found["cookie key"] = json.loads((platform.data_dir / "cookies.json").read_bytes())["listening"]
    for number, token in enumerate(callward.issued):
        found[f"token {number}"] = token
        found[f"signature {number}"] = token.rsplit(".", 1)[-1]
    for path in (platform.data_dir / "issuer").glob("*.jwk.json"):
        found[f"private key {path.name}"] = json.loads(path.read_bytes())["d"]
    found["rendition key"] = leased_key(platform, callward, recorded.recording_id).hex()
    assert len(found) > 20
    return found


def _spelled(name: str, secret: str) -> list[str]:
    if name != "rendition key":
        return [secret]
    raw = bytes.fromhex(secret)
    return [secret, repr(raw)[2:-1], *searching.disguises(raw.decode("latin-1")).values()]


def test_no_secret_is_in_telemetry(
    platform: RunningPlatform, callward: Callward, telemetry: Telemetry, heard: Recorded
) -> None:
    said = {
        "logs": telemetry.log_text,
        "spans": searching.spans(telemetry),
        "metrics": searching.metrics(platform),
        "PostgreSQL's log": "\n".join(
            path.read_text(errors="replace") for path in (platform.data_dir / "postgres").rglob("*.log")
        ),
    }
    for name, secret in secrets_of(platform, callward, heard).items():
        for where, text in said.items():
            assert not any(form in text for form in _spelled(name, secret)), f"{where} hold the {name}"


def test_no_secret_is_in_a_table_or_an_event(
    platform: RunningPlatform, callward: Callward, heard: Recorded
) -> None:
    kept = secrets_of(platform, callward, heard)
    for table, row in searching.table_rows(platform):
        for name, secret in kept.items():
            assert not any(form in row for form in _spelled(name, secret)), f"{table} holds the {name}"


def test_what_opens_recordings_is_its_owners_alone(platform: RunningPlatform) -> None:
    for folder in ("keys", "issuer", "objects", "wraps"):
        root = platform.data_dir / folder
        for path in (root, *root.rglob("*")):
            assert path.stat().st_mode & 0o077 == 0, path
            assert path.stat().st_uid == os.getuid(), path


def test_the_objects_hold_no_piece_of_the_audio(platform: RunningPlatform, heard: Recorded) -> None:
    pieces = [heard.audio[at : at + 16] for at in range(100, len(heard.audio) - 16, 997)]
    for path in platform.objects.rglob("*"):
        if path.is_file():
            stored = path.read_bytes()
            assert not any(piece in stored for piece in pieces), path
