"""The options of `upload` and `status`. Nothing but Typer is imported, so that help and completion are quick."""

import os
from pathlib import Path
from typing import Annotated

import typer


def _demo_tenants(incomplete: str) -> list[str]:
    from callward_cli.exits import CommandError
    from callward_cli.upload.demo_login import data_folder, demo_tenants

    try:
        known = demo_tenants(data_folder(None, os.environ))
    except CommandError:
        return []
    return [tenant for tenant in known if tenant.startswith(incomplete)]


def _uploads(incomplete: str) -> list[str]:
    from callward_cli.config import state_folder
    from callward_cli.exits import CommandError
    from callward_cli.upload.state import UploadsFolder

    try:
        known = UploadsFolder(state_folder(os.environ)).all()
    except CommandError:
        return []
    ids = [each.upload_id or each.idempotency_key for each in known if each.answer is None]
    return [upload_id for upload_id in ids if upload_id.startswith(incomplete)]


Files = Annotated[
    list[str] | None,
    typer.Argument(metavar="FILE", help="Recordings; - is standard input, sent while it comes."),
]
Call = Annotated[str | None, typer.Option("--call", metavar="ID", help="The call that was recorded.")]
Leg = Annotated[str | None, typer.Option("--leg", metavar="CODE", help="The leg that was recorded.")]
StartedAt = Annotated[
    str | None, typer.Option("--started-at", metavar="TIME", help="When the recording begins (RFC 3339).")
]
MediaType = Annotated[
    str | None,
    typer.Option("--media-type", metavar="TYPE", help="What it is; by default the name's ending says so."),
]
Parallel = Annotated[
    int | None, typer.Option("--parallel", min=1, max=16, help="Files at once (default: 2).")
]
RetryFor = Annotated[
    str | None,
    typer.Option("--retry-for", metavar="TIME", help="How long to try without any progress (default: 1h)."),
]
Keys = Annotated[
    Path | None,
    typer.Option("--keys", help="The public keys to trust: a file as /.well-known/jwks.json gives it."),
]
Proof = Annotated[
    bool, typer.Option("--proof", help="Wait for the proof that the receipt is on record, and check it.")
]
Again = Annotated[
    bool, typer.Option("--again", help="Send also what was sent before: it becomes another recording.")
]
Cancel = Annotated[
    list[str] | None,
    typer.Option(
        "--cancel",
        metavar="UPLOAD",
        help="Give an upload up: what was sent is destroyed.",
        autocompletion=_uploads,
    ),
]
Finish = Annotated[
    list[str] | None,
    typer.Option(
        "--finish",
        metavar="UPLOAD",
        help="Complete a broken upload of standard input with what was acknowledged.",
        autocompletion=_uploads,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")]
Server = Annotated[
    str | None,
    typer.Option(
        "--server", metavar="URL", help="The door for call platforms (default: that of callward dev)."
    ),
]
Demo = Annotated[
    str | None,
    typer.Option(
        "--demo",
        metavar="TENANT",
        help="Sign in with the demo account of `callward dev` here.",
        autocompletion=_demo_tenants,
    ),
]
DataDir = Annotated[
    Path | None, typer.Option("--data-dir", help="For --demo: where `callward dev` keeps its data.")
]
TokenFile = Annotated[
    Path | None, typer.Option("--token-file", help="A file with a token; it is read again for each request.")
]
Issuer = Annotated[
    str | None, typer.Option("--issuer", metavar="URL", help="Who issues tokens to the client.")
]
ClientId = Annotated[
    str | None, typer.Option("--client-id", metavar="ID", help="The client's id at the issuer.")
]
ClientSecretFile = Annotated[
    Path | None, typer.Option("--client-secret-file", help="A file with the client's secret.")
]
Uploads = Annotated[
    list[str] | None,
    typer.Argument(metavar="UPLOAD", help="Ids of uploads; none: all.", autocompletion=_uploads),
]
Forget = Annotated[
    bool,
    typer.Option(
        "--forget", help="Forget the uploads named, here only: the platform ends them in its own time."
    ),
]
