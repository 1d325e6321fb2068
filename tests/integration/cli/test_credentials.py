"""Signing in: tokens are renewed, secrets come from files or the environment, and show up nowhere."""

import os
from pathlib import Path

import pytest

from callward_cli.exits import CommandError
from callward_cli.upload.demo_login import demo_login, demo_tenants
from callward_embedded.accounts import Accounts
from callward_embedded.config import EmbeddedConfig
from callward_embedded.demo import DEMO_CLIENTS, DEMO_TENANTS
from callward_embedded.ports import hold_ports
from tests.integration.cli.conftest import Process, Upload
from tests.integration.cli.fake_door import FakeDoor
from tests.support.clock import ManualClock
from tests.unit.cli.conftest import Run

CALL = "01934e2c-7c00-7000-8000-0000000000c1"


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "call.wav"
    path.write_bytes(os.urandom(2_500_000))
    return path


def test_one_token_serves_until_it_is_about_to_end(upload: Upload, door: FakeDoor, recording: Path) -> None:
    assert upload(recording, "--call", CALL).code == 0
    assert door.issued == 1


def test_a_token_that_is_about_to_end_is_renewed(upload: Upload, door: FakeDoor, recording: Path) -> None:
    door.token_seconds = 0
    assert upload(recording, "--call", CALL).code == 0
    assert door.issued == len([each for each in door.seen if not each[1].startswith("/issuer")])


def test_a_token_that_is_refused_midway_is_renewed_once(
    upload: Upload, door: FakeDoor, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = door._append

    def append(*arguments: object) -> object:
        answer = original(*arguments)  # type: ignore[arg-type]
        door.tokens.clear()
        return answer

    monkeypatch.setattr(door, "_append", append)
    ended = upload(recording, "--call", CALL)
    assert ended.code == 0, ended
    assert bytes(door.the_upload().data) == recording.read_bytes()
    assert door.issued == 3


def test_a_wrong_secret_is_2_and_not_shown(
    upload: Upload, door: FakeDoor, recording: Path, signed_in: Path
) -> None:
    (signed_in / "secret").write_text("another-secret")
    ended = upload(recording, "--call", CALL)
    assert ended.code == 2
    assert "401 invalid_client" in ended.out
    assert "another-secret" not in ended.out + ended.err


def test_a_token_of_a_file_is_read_again_when_it_was_refused(
    run: Run, home: Path, door: FakeDoor, recording: Path
) -> None:
    token = home / "token"
    token.write_text("old\n")
    connection = ("--server", door.url, "--token-file", token, "--call", CALL)
    refused = run("upload", recording, *connection)
    assert refused.code == 2
    assert "401 token-expired" in refused.out
    door.tokens.add("new")
    token.write_text("new\n")
    assert run("upload", recording, *connection).code == 0


def test_the_environment_may_hold_the_secrets(
    run: Run, home: Path, door: FakeDoor, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    door.tokens.add("of-the-environment")
    monkeypatch.setenv("CALLWARD_SERVER", door.url)
    monkeypatch.setenv("CALLWARD_TOKEN", "of-the-environment")
    assert run("upload", recording, "--call", CALL).code == 0
    assert door.issued == 0
    monkeypatch.delenv("CALLWARD_TOKEN")
    monkeypatch.setenv("CALLWARD_CLIENT_ID", "call-platform")
    monkeypatch.setenv("CALLWARD_CLIENT_SECRET", "the-secret")
    monkeypatch.setenv("CALLWARD_ISSUER", door.issuer)
    assert run("upload", recording, "--call", CALL, "--again").code == 0
    assert door.issued == 1


@pytest.mark.parametrize("content", ["", "two words", "é", "x" * 20_000, "two\nlines"])
def test_a_file_that_holds_no_token_is_2(
    run: Run, home: Path, door: FakeDoor, recording: Path, content: str
) -> None:
    token = home / "token"
    token.write_text(content)
    ended = run("upload", recording, "--server", door.url, "--token-file", token, "--call", CALL)
    assert ended.code == 2
    assert content[:100] not in ended.out or not content


def test_without_a_way_to_sign_in_it_says_which_there_are(run: Run, home: Path, recording: Path) -> None:
    ended = run("upload", recording, "--call", CALL)
    assert ended.code == 2
    assert "--token-file" in ended.err
    assert "--demo bayview-hospital" in ended.err


def test_an_issuer_of_another_name_is_refused(
    upload: Upload, door: FakeDoor, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(door), "issuer", property(lambda self: f"{self.url}/other"))
    ended = upload(recording, "--call", CALL)
    assert ended.code == 2
    assert "another issuer" in ended.out


def test_nothing_secret_stands_in_the_state_or_on_the_command_line(
    upload: Upload, door: FakeDoor, recording: Path, signed_in: Path
) -> None:
    assert upload(recording, "--call", CALL).code == 0
    kept = b"".join(path.read_bytes() for path in (signed_in / "state").rglob("*") if path.is_file())
    assert kept
    assert b"the-secret" not in kept
    assert b"token-1" not in kept


def test_the_demo_account_is_found_in_the_data_folder(
    run: Run, home: Path, door: FakeDoor, recording: Path
) -> None:
    ended = run(
        "upload", recording, "--call", CALL, "--demo", "bayview-hospital", "--data-dir", home / "absent"
    )
    assert ended.code == 2
    assert "holds no platform" in ended.out + ended.err


def test_a_platform_that_is_not_there_is_3(run: Run, home: Path, recording: Path) -> None:
    (home / "token").write_text("any")
    where = ("--server", "http://127.0.0.1:9", "--token-file", home / "token", "--retry-for", "0")
    ended = run("upload", recording, "--call", CALL, *where)
    assert ended.code == 3
    assert "the connection broke (ConnectError)" in ended.out


def test_the_process_is_the_same(process: object, door: FakeDoor, recording: Path) -> None:
    assert callable(process)
    started = process("upload", recording, "--call", CALL)
    assert isinstance(started, Process)
    code, out, err = started.ended()
    assert (code, err) == (0, "")
    assert "Traceback" not in out


def test_the_demo_login_is_what_the_embedded_platform_writes(tmp_path: Path) -> None:
    tenants = [tenant.tenant_id for tenant in DEMO_TENANTS]
    accounts = Accounts(tmp_path / "issuer", tenants, ManualClock())
    held = hold_ports(EmbeddedConfig(tmp_path, environment={}), tmp_path / "ports.json")
    try:
        port = held["issuer"].getsockname()[1]
        for tenant in tenants:
            login = demo_login(tenant, tmp_path)
            assert login.issuer == f"http://127.0.0.1:{port}/issuers/{tenant}/machines"
            assert accounts.machine(tenant, login.client_id, login.client_secret).tenant_id == tenant
            assert login.client_secret not in repr(login)
            assert "recordings:write" in DEMO_CLIENTS[login.client_id]
    finally:
        for each in held.values():
            each.close()
    assert demo_tenants(tmp_path) == sorted(tenants)
    with pytest.raises(CommandError, match="knows no demo tenant nobody; it knows bayview-hospital"):
        demo_login("nobody", tmp_path)
