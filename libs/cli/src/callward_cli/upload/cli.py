"""The commands `upload` and `status` as they are typed. What they do is imported when they run."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from callward_cli.exits import CommandError, Exit
from callward_cli.upload import options as given
from callward_cli.upload.wanted import Wanted

if TYPE_CHECKING:
    from callward_cli.config import Settings


def upload(
    files: given.Files = None,
    call: given.Call = None,
    leg: given.Leg = None,
    started_at: given.StartedAt = None,
    media_type: given.MediaType = None,
    parallel: given.Parallel = None,
    retry_for: given.RetryFor = None,
    keys: given.Keys = None,
    proof: given.Proof = False,
    again: given.Again = False,
    cancel: given.Cancel = None,
    finish: given.Finish = None,
    as_json: given.Json = False,
    server: given.Server = None,
    demo: given.Demo = None,
    data_dir: given.DataDir = None,
    token_file: given.TokenFile = None,
    issuer: given.Issuer = None,
    client_id: given.ClientId = None,
    client_secret_file: given.ClientSecretFile = None,
) -> None:
    """Send recordings; after any break the same command goes on. Each receipt is verified."""
    names = ("parallel", "retry_for", "keys", *_CONNECTION)
    settings = _settings({name: value for name, value in locals().items() if name in names})
    wanted = Wanted(call or "", leg, started_at, media_type, proof=proof, again=again)
    raise typer.Exit(_run(files or [], cancel or [], finish or [], wanted, settings, as_json=as_json))


def status(
    uploads: given.Uploads = None,
    call: given.Call = None,
    forget: given.Forget = False,
    as_json: given.Json = False,
    server: given.Server = None,
    demo: given.Demo = None,
    data_dir: given.DataDir = None,
    token_file: given.TokenFile = None,
    issuer: given.Issuer = None,
    client_id: given.ClientId = None,
    client_secret_file: given.ClientSecretFile = None,
) -> None:
    """Show unfinished uploads and how the platform sees them, or the recordings of a call."""
    import asyncio

    from callward_cli.status import show

    settings = _settings({name: value for name, value in locals().items() if name in _CONNECTION})
    found = show(uploads or [], call, settings, os.environ, forget=forget, as_json=as_json)
    raise typer.Exit(asyncio.run(found))


_CONNECTION = (
    "server",
    "demo",
    "data_dir",
    "token_file",
    "issuer",
    "client_id",
    "client_secret_file",
)


def _settings(found: dict[str, Any]) -> "Settings":
    from callward_cli.config import duration, load

    if found.get("retry_for") is not None:
        found["retry_for"] = duration(found["retry_for"])
    return load(found, os.environ)


def _run(
    files: list[str],
    cancel: list[str],
    finish: list[str],
    wanted: Wanted,
    settings: "Settings",
    *,
    as_json: bool,
) -> int:
    import asyncio

    if sum(bool(each) for each in (files, cancel, finish)) != 1:
        raise CommandError("name files to send, or uploads with --cancel or with --finish", Exit.usage)
    if cancel:
        from callward_cli.upload.endings import cancel as give_up

        asyncio.run(give_up(cancel, settings, os.environ))
        return Exit.ok
    if finish:
        from callward_cli.upload.endings import finish as complete

        return asyncio.run(
            complete(finish, _trusting(wanted, settings), settings, os.environ, as_json=as_json)
        )
    if not wanted.call_id:
        raise CommandError("say with --call which call was recorded", Exit.usage)
    from callward_cli.upload.command import send_all

    return asyncio.run(send_all(files, _trusting(wanted, settings), settings, os.environ, as_json=as_json))


def _trusting(wanted: Wanted, settings: "Settings") -> Wanted:
    """Add the public keys that are to be trusted, where they are given."""
    from callward_cli.verify.command import read_document
    from callward_cli.verify.keys import read_keys

    return wanted if settings.keys is None else replace(wanted, keys=read_keys(read_document(settings.keys)))
