"""`callward`: the command for people.

What a command needs is imported when it runs: help and completion, which a shell waits for, load Typer alone.
"""

import os
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from callward_cli.exits import CommandError, Exit
from callward_cli.upload.cli import status, upload

HELP = """Callward: the open vault for recorded phone calls that hold health information.

Exit codes: 0 everything as promised · 1 a check or a step does not hold, or a recording was not taken in as it should
be · 2 the command line or a file cannot be understood · 3 the platform could not start, broke down or cannot be
reached · 130 Ctrl-C came first.
"""

app = typer.Typer(
    name="callward", help=HELP, no_args_is_help=True, add_completion=True, pretty_exceptions_enable=False
)
DataDir = Annotated[Path | None, typer.Option("--data-dir", help="Where the platform keeps its data.")]


class _State:
    debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"callward {version('callward')}")
        raise typer.Exit


@app.callback()
def common(
    _: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Say more when something goes wrong.")] = False,
) -> None:
    """Options that every command takes."""
    _State.debug = debug


@app.command()
def dev(
    data_dir: DataDir = None,
    ingest_port: Annotated[
        int, typer.Option(help="Port of the door for call platforms; 0: a free one.")
    ] = 8401,
    access_port: Annotated[int, typer.Option(help="Port of the door for people; 0: a free one.")] = 8402,
    audit_port: Annotated[int, typer.Option(help="Port of the door for SIEM tools; 0: a free one.")] = 8403,
) -> None:
    """Run the whole platform here, in the foreground, on loopback addresses. Ctrl-C stops it."""
    import asyncio

    from callward_cli.dev import run

    asyncio.run(run(data_dir, ingest_port=ingest_port, access_port=access_port, audit_port=audit_port))


@app.command()
def demo(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Write the steps and what they showed as JSON into this file."),
    ] = None,
) -> None:
    """Watch one real recorded call decided upon, sealed, heard and proved."""
    import asyncio

    from callward_cli.demo.command import run

    if not asyncio.run(run(json_file)):
        raise typer.Exit(Exit.failed)


app.command()(upload)
app.command()(status)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="A receipt, or a proof of the audit log.")],
    keys: Annotated[
        Path | None, typer.Option(help="The public keys to trust: a file as /.well-known/jwks.json gives it.")
    ] = None,
    proof: Annotated[
        Path | None,
        typer.Option(help="For a receipt: the proof of its event, to check that it is on record."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Check a receipt or a proof offline: nothing but the file and the public keys is needed."""
    import json

    from rich.console import Console

    from callward_cli.verify.command import show, verify_file

    report = verify_file(file, keys, proof)
    if json_output:
        typer.echo(json.dumps(report.to_json(), indent=2, sort_keys=True))
    else:
        show(report, Console())
    if not report.good:
        raise typer.Exit(Exit.failed)


def main() -> NoReturn:
    """Run the command. Errors end it in one line on standard error; `--debug` shows where they came from."""
    # Before gRPC is loaded: its fork handlers disturb the programs that the platform starts, and say so on stderr.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    try:
        app()
    except Exception as error:
        if _State.debug:
            raise
        from rich.console import Console

        message, code = _explain(error)
        Console(stderr=True).print(
            f"callward: {message}", style="red", markup=False, highlight=False, soft_wrap=True
        )
        raise SystemExit(int(code)) from None
    raise SystemExit(int(Exit.ok))


def _explain(error: Exception) -> tuple[str, Exit]:
    """Say an error in one line. Of a fault of ours only the class is shown: its text may hold anything."""
    if isinstance(error, CommandError):
        return error.message, error.code
    from callward_common.runtime.host import HostFailed  # most commands need no platform
    from callward_common.settings import SettingsError

    match error:
        case SettingsError():
            return "; ".join(error.problems), Exit.usage
        case HostFailed():
            return f"the platform broke down: {error}", Exit.platform
        case OSError(errno=int(number)):
            message = f"the system refused: {os.strerror(number)}; --debug shows where"
            return message, Exit.platform
    return f"an unexpected {type(error).__name__}; --debug shows where it came from", Exit.platform
