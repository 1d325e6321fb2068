"""`callward dev`: the whole platform in the foreground, on loopback."""

import os
from pathlib import Path

from rich.console import Console

from callward_cli import dev_telemetry
from callward_cli.exits import CommandError, Exit
from callward_embedded.config import EmbeddedConfig
from callward_embedded.errors import EmbeddedError
from callward_embedded.platform import Platform

DOORS = {
    "ingest": "for call platforms",
    "access-gateway": "for people",
    "audit": "for SIEM tools and auditors",
}


async def run(data_dir: Path | None, *, ingest_port: int, access_port: int, audit_port: int) -> None:
    """Run until SIGTERM or Ctrl-C; what was acknowledged is on disk afterwards. Raises CommandError."""
    ports = {"ingest": ingest_port, "access-gateway": access_port, "audit": audit_port}
    dev_telemetry.configure(os.environ)
    try:
        found = EmbeddedConfig.from_environment(os.environ, data_dir)
        config = EmbeddedConfig(
            data_dir=found.data_dir,
            environment=found.environment,
            ports={name: port for name, port in ports.items() if port},
        )
        async with Platform(config) as platform:
            show(platform, Console())
            await platform.serve_until_stopped()
    except EmbeddedError as error:
        raise CommandError(str(error), Exit.platform) from error


def show(platform: Platform, console: Console) -> None:
    """Print addresses, demo credentials and what is kept where."""
    console.print(
        "[bold yellow]Development platform[/bold yellow]: keys, data and passwords on this machine. Never for real calls."
    )
    for component, audience in DOORS.items():
        console.print(f"  {platform.doors[component]}  {audience}", highlight=False)
    console.print(f"  {platform.issuers_url}  tokens (demo issuer)", highlight=False)
    console.print("Demo credentials (secrets are made at the first start and kept):")
    for account in (*platform.people.values(), *platform.machines.values()):
        rights = " ".join(sorted(account.roles | account.scopes))
        code = f"  TOTP secret {account.totp_secret}" if account.totp_secret else ""
        line = f"  {account.tenant_id}  {account.name}  secret {account.secret}{code}  may: {rights}"
        console.print(line, highlight=False, soft_wrap=True, markup=False)
    for component, address in sorted(platform.management.items()):
        console.print(f"  {address}/metrics  {component}: metrics, /livez, /readyz", highlight=False)
    for folder in platform.folders:
        console.print(f"  {folder.path}  {folder.holds}", highlight=False, soft_wrap=True)
    console.print("Ctrl-C stops it.")
