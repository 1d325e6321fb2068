"""Ending what cannot be gone on with by the same command: an upload that is given up, or a broken live one."""

from collections.abc import Mapping, Sequence

from rich.console import Console

from callward_cli.config import Settings
from callward_cli.exits import CommandError, Exit
from callward_cli.upload.display import Display, print_outcomes
from callward_cli.upload.door import Piece, no_bytes
from callward_cli.upload.errors import Interrupted, Refused
from callward_cli.upload.headers import Limits
from callward_cli.upload.outcome import Outcome, exit_code
from callward_cli.upload.patience import Patience
from callward_cli.upload.sending import Sending
from callward_cli.upload.session import Session, named, session
from callward_cli.upload.sources import Moved, Source
from callward_cli.upload.state import STANDARD_INPUT, Remembered
from callward_cli.upload.wanted import Wanted
from callward_common.clock import SystemClock


class NothingMore:
    """A source that has ended: the upload is complete with what the platform holds."""

    size: int | None = None

    async def piece(self, offset: int, limits: Limits, moved: Moved) -> Piece:
        """Return an append without a byte that completes the upload."""
        return Piece(offset, no_bytes, 0, complete=True, length=offset)

    def acknowledged(self, offset: int) -> None:
        """Nothing is kept here."""


async def cancel(upload_ids: Sequence[str], settings: Settings, environment: Mapping[str, str]) -> None:
    """Give uploads up for good: what was sent of them is destroyed. Raises CommandError."""
    console = Console()
    async with session(settings, environment, SystemClock()) as opened:
        for upload_id in upload_ids:
            upload = _unfinished(opened, upload_id)
            with opened.folder.alone_with(upload):
                how = "cancelled" if upload.url is None else await _cancel_at_the_door(opened, upload.url)
                opened.folder.forget(upload)
            console.print(f"{how} {upload_id}", highlight=False)


async def finish(
    upload_ids: Sequence[str],
    wanted: Wanted,
    settings: Settings,
    environment: Mapping[str, str],
    *,
    as_json: bool,
) -> int:
    """Complete broken uploads of standard input with what was acknowledged of them. Returns the exit code."""
    outcomes: list[Outcome] = []
    async with session(settings, environment, SystemClock()) as opened:
        with Display(Console(stderr=True)) as display:
            for upload_id in upload_ids:
                upload = _unfinished(opened, upload_id)
                if upload.path != STANDARD_INPUT:
                    raise CommandError(
                        f"{upload_id} is of a file: send {upload.path} with the same command again",
                        Exit.usage,
                    )
                sending = Sending(
                    opened, wanted, _no_source, lambda: Patience(opened.clock, settings.retry_for)
                )
                with opened.folder.alone_with(upload):
                    outcomes.append(await sending.finish(upload, NothingMore(), display.file(upload.path)))
    print_outcomes(outcomes, Console(), as_json=as_json)
    return int(exit_code(outcomes))


def _unfinished(opened: Session, upload_id: str) -> Remembered:
    upload = named(opened.folder, upload_id)
    if upload.answer is not None:
        raise CommandError(f"the upload {upload_id} is complete: it is a recording now", Exit.usage)
    if upload.server != opened.door.server:
        raise CommandError(f"the upload {upload_id} is at {upload.server}: say so with --server", Exit.usage)
    return upload


async def _cancel_at_the_door(opened: Session, url: str) -> str:
    try:
        await opened.door.cancel(url)
    except Interrupted as error:
        raise CommandError(error.reason, Exit.platform) from error
    except Refused as refused:
        if refused.kind not in {"upload-not-found", "upload-ended"}:
            raise
        return "had ended already:"
    return "cancelled"


def _no_source() -> Source:
    raise CommandError("standard input is not read here", Exit.usage)
