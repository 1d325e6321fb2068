"""Runs the demo on a platform of its own, in a temporary folder that is gone afterwards."""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console

from callward_cli.demo import example, listening, record, taking
from callward_cli.demo.doors import Client, Doors, machine_token, person_token
from callward_cli.demo.steps import Steps
from callward_cli.demo.story import Story
from callward_cli.exits import CommandError, Exit
from callward_common.telemetry.logging import configure_logging
from callward_embedded.accounts import Credentials, one_time_code
from callward_embedded.config import EmbeddedConfig
from callward_embedded.errors import EmbeddedError
from callward_embedded.platform import Platform

HOSPITAL, OTHER_TENANT = "bayview-hospital", "lakeside-clinic"
OTHER_QUEUE = "front-desk"
#: Listening is paced: the whole of the example takes a few seconds longer than its bytes.
TIMEOUT = 60.0


async def run(json_file: Path | None) -> bool:
    """Run the demo; returns whether every step was as promised. Raises CommandError when it cannot be run."""
    console = Console()
    steps = Steps(console)
    call = example.load()
    _quiet_unless_asked()
    started = time.perf_counter()
    with _temporary_folder() as folder:
        try:
            async with Platform(EmbeddedConfig.from_environment(os.environ, folder / "data")) as platform:
                ready = time.perf_counter() - started
                console.print(
                    f"The platform is up: six services, PostgreSQL, an issuer ({ready:.1f} s)",
                    highlight=False,
                )
                async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT) as http:
                    await _tell(await _story(http, platform, call), steps)
        except EmbeddedError as error:
            raise CommandError(str(error), Exit.platform) from error
    seconds = time.perf_counter() - started
    if steps.kept:
        console.print(
            f"[green]Every step as promised[/green] ({len(steps.results)} steps, {seconds:.1f} s)",
            highlight=False,
        )
    else:
        console.print("[red]A step was not as promised[/red]", highlight=False)
    if json_file is not None:
        _write(json_file, steps, ready, seconds)
    return steps.kept


async def _tell(story: Story, steps: Steps) -> None:
    for part in (taking, listening, record):
        await part.tell(story, steps)


async def _story(http: httpx.AsyncClient, platform: Platform, call: example.ExampleCall) -> Story:
    doors = Doors(
        ingest=platform.doors["ingest"],
        access=platform.doors["access-gateway"],
        audit=platform.doors["audit"],
        issuers=platform.issuers_url,
    )

    async def machine(name: str, audience: str) -> Client:
        account = platform.machines[HOSPITAL, name]
        issuer = f"{doors.issuers}/{HOSPITAL}/machines"
        return Client(http, await machine_token(http, issuer, name, account.secret, audience))

    async def person(tenant: str, *, with_code: bool) -> Client:
        account = platform.people[tenant, "supervisor"]
        code = _code(account, platform) if with_code else None
        issuer = f"{doors.issuers}/{tenant}/people"
        token = await person_token(http, issuer, account.name, account.secret, code, "callward-access")
        return Client(http, token)

    return Story(
        http=http,
        doors=doors,
        example=call,
        platform=await machine("call-platform", "callward-ingest"),
        supervisor=await person(HOSPITAL, with_code=True),
        supervisor_without_code=await person(HOSPITAL, with_code=False),
        stranger=await person(OTHER_TENANT, with_code=True),
        siem=await machine("siem", "callward-audit"),
        object_folder=platform.config.data_dir / "objects",
        other_queue=OTHER_QUEUE,
    )


def _code(account: Credentials, platform: Platform) -> str | None:
    return None if account.totp_secret is None else one_time_code(account.totp_secret, platform.clock)


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="callward-demo-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        # The database's unprivileged user has to reach its own folder below.
        folder.chmod(0o711)
        yield folder


def _quiet_unless_asked() -> None:
    """The demo shows its own lines; the services' logs would bury them. Errors still come out."""
    configure_logging("ERROR")


def _write(path: Path, steps: Steps, ready: float, seconds: float) -> None:
    document: dict[str, Any] = {
        "kept": steps.kept,
        "readySeconds": round(ready, 3),
        "seconds": round(seconds, 3),
        "steps": [result.to_json() for result in steps.results],
    }
    try:
        path.write_text(
            json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}", Exit.usage) from error
