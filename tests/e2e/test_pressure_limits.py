"""Limits of uploads as their senders meet them: number, size, parts, bytes a day, time, and connections that idle."""

import json
import secrets
import select
import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.e2e.uploads.looking import NothingKept, key_state, wait_given_up
from tests.support.audio import header, wav
from tests.support.background import BackgroundLoop
from tests.support.doors import CLINIC, HOSPITAL, Callward, problem
from tests.support.journeys import answered, consented_call, pull, upload
from tests.support.platform import QUICK, RunningPlatform, running
from tests.support.settled import Settled
from tests.support.telemetry import Telemetry
from tests.support.uploads import EXPECT, Sender, Wire, upload_id
from tests.support.waiting import eventually

LARGEST, OF_A_TENANT, PARALLEL, OPEN, PARTS, DAY = 400_000, 2, 3, 4, 4, 4_000_000
#: Seconds of silence, and bytes a second on average after them.
SILENCE, RATE = 8, 2_000
LIMITS = {
    **QUICK,
    "CALLWARD_INGEST_MAX_BODY_BYTES": str(LARGEST),
    "CALLWARD_INGEST_MAX_TENANT_UPLOADS": str(OF_A_TENANT),
    "CALLWARD_INGEST_MAX_PARALLEL_UPLOADS": str(PARALLEL),
    "CALLWARD_INGEST_MAX_OPEN_UPLOADS": str(OPEN),
    "CALLWARD_INGEST_MAX_PARTS": str(PARTS),
    "CALLWARD_INGEST_PART_BYTES": str(128 * 1024),
    "CALLWARD_INGEST_MAX_BYTES_A_DAY": str(DAY),
    "CALLWARD_INGEST_UPLOAD_LIFETIME": "PT1M",
    "CALLWARD_INGEST_BODY_IDLE_TIMEOUT": str(SILENCE),
    "CALLWARD_INGEST_MIN_BODY_RATE": str(RATE),
    "CALLWARD_INGEST_SWEEP_INTERVAL": "0.2",
}


@dataclass
class Scene:
    """A platform with these limits, and a sender of each tenant."""

    platform: RunningPlatform
    callward: Callward
    settled: Settled
    hospital: Sender
    clinic: Sender


@pytest.fixture(scope="module")
def scene(background: BackgroundLoop, telemetry: Telemetry) -> Iterator[Scene]:
    with running(background, LIMITS) as started:
        callward, settled = started.callward(), Settled(started)
        settled.first(callward)
        senders = [
            Sender(machine, consented_call(machine))
            for machine in (callward.call_platform(tenant) for tenant in (HOSPITAL, CLINIC))
        ]
        yield Scene(started, callward, settled, *senders)


def _exactly(size: int) -> bytes:
    return header(size - 44) + wav(size / 64_000 + 1)[44:size]


def _held(stack: ExitStack, sender: Sender) -> Wire:
    """Begins an upload whose body does not come yet."""
    wire = stack.enter_context(sender.creation(False, EXPECT, announced=1_000))
    wire.go_ahead()
    return wire


def _finish(sender: Sender, *wires: Wire) -> None:
    """Ends those that were held, and cancels them."""
    for wire in wires:
        wire.send(bytes(1_000))
        assert sender.cancel(wire.answer()["Location"]).status == 204


def test_so_many_at_once_of_a_tenant_and_in_all(scene: Scene) -> None:
    audio = wav(0.5)
    with ExitStack() as stack:
        held = [_held(stack, scene.hospital) for _ in range(OF_A_TENANT)]
        for refused in (scene.hospital.create(body=audio), scene.hospital.create(body=audio, complete=True)):
            assert refused.problem() == (429, "too-many-uploads")
            assert int(refused["Retry-After"]) >= 1
        plain = upload(scene.hospital.client, scene.hospital.call_id, audio)
        assert (plain.status_code, problem(plain)) == (429, "too-many-uploads")
        path = scene.clinic.created(body=audio[:100])
        assert scene.clinic.append(path, 100, audio[100:], complete=True).status == 201, "others go on"
        elsewhere = _held(stack, scene.clinic)
        busy = scene.clinic.create(body=audio)
        assert busy.problem() == (503, "uploads-busy")
        assert int(busy["Retry-After"]) >= 1
        _finish(scene.clinic, elsewhere)
        _finish(scene.hospital, *held)
    taken = answered(upload(scene.hospital.client, scene.hospital.call_id, audio), 201)
    scene.settled.demand(scene.callward, {taken["recordingId"]: audio})


def test_so_many_open_of_a_tenant_in_all_doors(scene: Scene) -> None:
    audio = wav(0.5)
    paths = [scene.hospital.created(body=audio[:100]) for _ in range(OPEN)]
    refused = scene.hospital.create(body=audio)
    assert refused.problem() == (429, "too-many-uploads")
    assert refused.json(429)["limit"] == OPEN
    assert int(refused["Retry-After"]) >= 1
    plain = upload(scene.hospital.client, scene.hospital.call_id, audio)
    assert (plain.status_code, problem(plain)) == (429, "too-many-uploads")
    for path in paths:
        assert scene.hospital.cancel(path).status == 204
    scene.settled.demand(scene.callward)


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "in-chunks"])
def test_the_largest_plain_upload_to_the_byte(scene: Scene, announced: bool) -> None:
    nothing, machine, call_id = NothingKept(scene.platform), scene.hospital.client, scene.hospital.call_id

    def sent(body: bytes) -> tuple[int, str]:
        headers = [("Content-Type", "audio/wav"), ("Idempotency-Key", secrets.token_hex(8))]
        size = len(body) if announced else None
        path = f"/v1/recordings?call={call_id}"
        with scene.hospital.open("POST", path, *headers, announced=size) as wire:
            if announced:
                wire.send(body)
            else:
                wire.chunk(body)
                wire.chunk(b"")
            answer = wire.answer()
        if answer.status == 201:
            return 201, str(answer.json(201)["recordingId"])
        return answer.problem()

    assert sent(_exactly(LARGEST) + b"x") == (413, "body-too-large")
    nothing.wait_files_gone()
    if announced:
        status, recording_id = sent(_exactly(LARGEST))
        assert status == 201
        assert machine.get(f"/v1/recordings/{recording_id}").json()["state"] == "sealed"
    scene.settled.demand(scene.callward)


def test_the_largest_resumable_upload_to_the_byte(scene: Scene) -> None:
    sender, body = scene.hospital, _exactly(LARGEST)
    announced = sender.create(("Upload-Length", str(LARGEST + 1)))
    assert (announced.problem(), announced.limits["max-size"]) == ((413, "body-too-large"), LARGEST)
    path = sender.created(body=body[: LARGEST - 1])
    assert sender.append(path, LARGEST - 1, body[-1:]).offset == LARGEST
    assert sender.append(path, LARGEST, complete=True).status == 201
    over = sender.created(body=body[: LARGEST - 1])
    refused = sender.append(over, LARGEST - 1, b"xy")
    assert (refused.problem(), refused.limits["max-size"]) == ((413, "body-too-large"), LARGEST)
    sender.cancel(over)
    wait_given_up(scene.platform, over)
    scene.settled.demand(scene.callward)


def test_so_many_parts_and_no_more(scene: Scene) -> None:
    sender, nothing, audio = scene.clinic, NothingKept(scene.platform), wav(1)
    path = sender.created(body=audio[:1_000])
    for number in range(1, PARTS):
        assert sender.append(path, number * 1_000, audio[number * 1_000 :][:1_000]).status == 204
    refused = sender.append(path, PARTS * 1_000, audio[PARTS * 1_000 :], complete=True)
    assert refused.problem() == (400, "too-many-parts")
    assert refused.json(400)["limit"] == PARTS
    assert sender.head(path).offset == PARTS * 1_000, "what was acknowledged is kept"
    sender.cancel(path)
    wait_given_up(scene.platform, path)
    nothing.demand(path)
    scene.settled.demand(scene.callward)


def test_so_many_bytes_a_day_of_a_tenant(scene: Scene) -> None:
    body, taken = _exactly(LARGEST), {}
    for _ in range(DAY // LARGEST + 1):
        answer = upload(scene.clinic.client, scene.clinic.call_id, body)
        if answer.status_code == 429:
            break
        taken[answered(answer, 201)["recordingId"]] = len(body)
    refused = scene.clinic.create(body=body)
    assert refused.problem() == (429, "too-many-uploads")
    assert refused.json(429)["limit"] == DAY
    assert int(refused["Retry-After"]) >= 60
    assert DAY <= sum(taken.values()) + 200_000 <= DAY + LARGEST + 200_000
    other = scene.hospital.created(body=body[:100])
    assert scene.hospital.cancel(other).status == 204, "another tenant's are its own"
    scene.settled.demand(scene.callward)


def test_idle_connections_keep_nobody_out(scene: Scene) -> None:
    with ExitStack() as stack:
        for number in range(400):
            head = b"POST /v1/uploads HTTP/1.1\r\nHost: x\r\nX-Slow: " if number % 2 else b""
            stack.enter_context(_connection(scene, head))
        path = scene.hospital.created(body=wav(0.5)[:100])
        assert scene.hospital.cancel(path).status == 204
    scene.settled.demand(scene.callward)


def test_headers_that_never_end_are_cut_off(scene: Scene) -> None:
    with _connection(scene) as endless:
        with suppress(ConnectionError):  # cut off while it still sends
            for _ in range(100):
                endless.sendall(b"X-Again: " + b"a" * 1_000 + b"\r\n")
        assert _rest(endless) in (b"", b"400")
    scene.settled.demand(scene.callward)


@pytest.mark.timeout(180)
def test_a_head_that_is_never_whole_is_given_up(scene: Scene) -> None:
    """Silent from the beginning, after a first line, and a byte at a time: whoever sends no request is hung up on."""
    with _connection(scene, head=b"") as silent, _connection(scene) as begun, _connection(scene) as slow:
        with suppress(ConnectionError):
            for _ in range(90):
                slow.sendall(b"X")
                if select.select([slow], [], [], 1.0)[0]:
                    break
        for each in (silent, begun, slow):
            assert _rest(each) in (b"", b"400", b"408")
    scene.settled.demand(scene.callward)


def _connection(scene: Scene, head: bytes = b"POST /v1/uploads HTTP/1.1\r\nHost: x\r\n") -> socket.socket:
    where = urlsplit(scene.hospital.client.base)
    begun = socket.create_connection((where.hostname or "", where.port or 80), timeout=90)
    begun.sendall(head)
    return begun


def _rest(connection: socket.socket) -> bytes:
    """Waits until the server hangs up; returns the status that it gave before, if it gave one."""
    received = b""
    with suppress(ConnectionError):
        while more := connection.recv(4096):
            received += more
    return received.split(b" ")[1] if received else b""


@pytest.mark.parametrize("door", ["recordings", "uploads"])
def test_a_byte_a_second_is_cut_off(scene: Scene, door: str) -> None:
    audio, sender = wav(1), scene.hospital
    key = ("Idempotency-Key", secrets.token_hex(8))
    own = ("Upload-Complete", "?1" if door == "uploads" else None)
    path = f"/v1/{door}?call={sender.call_id}"
    nothing = NothingKept(scene.platform)
    with sender.open("POST", path, key, own, ("Content-Type", "audio/wav"), announced=len(audio)) as wire:
        wire.socket.settimeout(1.0)
        for at in range(6 * SILENCE):
            wire.send(audio[at : at + 1])
            try:
                answer = wire.answer()
                break
            except TimeoutError:
                continue
        else:
            raise AssertionError("a byte a second is too slow")
    assert answer.problem() == (408, "body-timeout")
    if door == "uploads":
        (row,) = scene.platform.sql(
            "ingest", "SELECT upload_id FROM uploads WHERE state = 'receiving'", role="admin"
        )
        assert sender.cancel(f"/v1/uploads/{row['upload_id']}").status == 204
    nothing.wait_files_gone()
    scene.settled.demand(scene.callward)


@pytest.mark.timeout(180)
def test_the_time_of_an_upload_ends_it_for_good(scene: Scene) -> None:
    sender, nothing = scene.hospital, NothingKept(scene.platform)
    path = sender.created(body=wav(0.5))
    assert 0 < sender.head(path).limits["max-age"] <= 60
    assert key_state(scene.platform, upload_id(path)) == "open"
    # A minute is the shortest life that an upload can be given; nobody touches it meanwhile.
    eventually(lambda: sender.state(path) == "expired", "the end", within=120)
    ended = sender.append(path, 32_044, b"more")
    assert (ended.problem(), ended.json(410)["state"]) == ((410, "upload-ended"), "expired")
    assert sender.head(path).status == 410
    nothing.demand(path)
    siem = scene.callward.siem()

    def abandoned() -> list[str]:
        lines = [line.decode() for line in pull(siem)[0]]
        return [line for line in lines if upload_id(path) in line and "UploadAbandoned" in line]

    (event,) = eventually(abandoned, "the event")
    assert "upload-expired" in json.dumps(json.loads(event))
    scene.settled.demand(scene.callward)
