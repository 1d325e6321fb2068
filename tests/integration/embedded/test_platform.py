"""The whole platform in one process: it serves, keeps what it knew, refuses a second, and outlives every death."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from callward.access.v1.tenant_register_service_pb2 import GetTenantRequest
from callward.access.v1.tenant_register_service_pb2_grpc import TenantRegisterStub
from callward_common.runtime.host import HostFailed
from callward_embedded.config import EmbeddedConfig
from callward_embedded.errors import AlreadyRunning
from callward_embedded.platform import Platform
from callward_embedded.services import COMPONENTS

TENANT = "bayview-hospital"
_VICTIM = """
import asyncio, sys
from pathlib import Path
from callward_embedded.config import EmbeddedConfig
from callward_embedded.platform import Platform
async def main():
    async with Platform(EmbeddedConfig(data_dir=Path(sys.argv[1]), environment={})) as platform:
        print(platform.doors["ingest"], flush=True)
        await platform.serve_until_stopped()
asyncio.run(main())
"""


def config(place: Path) -> EmbeddedConfig:
    return EmbeddedConfig(data_dir=place / "data", environment={}, durable=False)


async def machine_token(platform: Platform, http: httpx.AsyncClient) -> str:
    account = platform.machines[TENANT, "call-platform"]
    answer = await http.post(
        f"{platform.issuers_url}/{TENANT}/machines/token",
        data={
            "grant_type": "client_credentials",
            "client_id": account.name,
            "client_secret": account.secret,
            "audience": "callward-ingest",
        },
    )
    return str(answer.raise_for_status().json()["access_token"])


async def ask(platform: Platform, http: httpx.AsyncClient, token: str | None) -> httpx.Response:
    """A call that lacks everything: the door looks at the token first, then at the body."""
    headers = {"Idempotency-Key": "k"} | ({"Authorization": f"Bearer {token}"} if token else {})
    return await http.post(f"{platform.doors['ingest']}/v1/calls", json={}, headers=headers)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(trust_env=False) as client:
        yield client


async def test_everything_serves_and_a_restart_forgets_nothing(place: Path, http: httpx.AsyncClient) -> None:
    async with Platform(config(place)) as platform:
        assert set(platform.doors) == {"ingest", "access-gateway", "audit"}
        for component in COMPONENTS:
            ready = await http.get(f"{platform.management[component.name]}/readyz")
            assert ready.status_code == 200, (component.name, ready.text)
        token = await machine_token(platform, http)
        assert (await ask(platform, http, None)).status_code == 401
        assert (await ask(platform, http, token)).status_code == 400
        version = await tenant_version(platform)
        doors, people = dict(platform.doors), platform.people
        assert all(folder.path.is_dir() for folder in platform.folders)

    async with Platform(config(place)) as platform:
        assert platform.doors == doors
        assert platform.people == people
        assert (await ask(platform, http, token)).status_code == 400
        assert await tenant_version(platform) == version


async def tenant_version(platform: Platform) -> int:
    channels = platform.channels("operator")
    register = TenantRegisterStub(channels.channel("access-gateway"))
    answer = await register.GetTenant(GetTenantRequest(tenant_id=TENANT))
    await channels.close()
    return int(answer.tenant.version)


async def test_a_second_one_on_the_same_folder_is_refused(place: Path) -> None:
    async with Platform(config(place)):
        with pytest.raises(AlreadyRunning, match=str(os.getpid())):
            async with Platform(config(place)):
                pass


async def test_nothing_is_left_running_when_a_start_fails(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise RuntimeError("provisioning failed")

    with monkeypatch.context() as patch:
        patch.setattr("callward_embedded.platform.provision", refuse)
        failing = Platform(config(place))
        with pytest.raises(RuntimeError, match="provisioning"):
            async with failing:
                pass
    assert failing.postgres.pid is None
    async with Platform(config(place)):
        pass


async def test_the_process_ends_when_postgresql_does(place: Path) -> None:
    async with Platform(config(place)) as platform:
        assert platform.postgres.pid is not None
        os.kill(platform.postgres.pid, signal.SIGKILL)
        with pytest.raises(HostFailed, match="postgres-watch"):
            await asyncio.wait_for(platform.serve_until_stopped(), 60)


async def test_a_start_after_sigkill_needs_no_human(place: Path, http: httpx.AsyncClient) -> None:
    root = Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _VICTIM, str(place / "data"), stdout=subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    door = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    assert (await http.post(f"{door}/v1/calls", json={})).status_code == 401
    process.kill()
    await process.wait()

    async with Platform(EmbeddedConfig(data_dir=place / "data", environment={})) as platform:
        assert platform.doors["ingest"] == door
        token = await machine_token(platform, http)
        assert (await ask(platform, http, token)).status_code == 400


async def test_sigterm_ends_it_in_order(place: Path) -> None:
    root = Path(__file__).parents[3]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _VICTIM, str(place / "data"), stdout=subprocess.PIPE, cwd=root
    )
    assert process.stdout is not None
    await asyncio.wait_for(process.stdout.readline(), 60)
    children = psutil.Process(process.pid).children()
    process.terminate()

    assert await asyncio.wait_for(process.wait(), 60) == 0
    assert not any(child.is_running() for child in children)
    assert "database system is shut down" in (place / "data" / "postgres" / "postgres.log").read_text()
