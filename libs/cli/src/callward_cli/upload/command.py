"""`callward upload`: several files at once, each until its receipt is verified."""

import asyncio
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from rich.console import Console

from callward_cli.config import Settings
from callward_cli.exits import CommandError, Exit
from callward_cli.upload.display import Display, FileDisplay, print_outcomes
from callward_cli.upload.interrupts import Interrupts, interrupts
from callward_cli.upload.live import LiveSource
from callward_cli.upload.outcome import Outcome, exit_code
from callward_cli.upload.patience import Patience
from callward_cli.upload.sending import Sending
from callward_cli.upload.session import Session, session
from callward_cli.upload.state import STANDARD_INPUT, UploadsFolder
from callward_cli.upload.wanted import Wanted
from callward_common.clock import Clock, SystemClock

#: What was sent is remembered this long, so that the same command sends it no second time.
REMEMBER = timedelta(days=7)


async def send_all(
    files: Sequence[str], wanted: Wanted, settings: Settings, environment: Mapping[str, str], *, as_json: bool
) -> int:
    """Send every file; print how each ended. Returns the exit code. Raises CommandError."""
    if len(set(files)) != len(files):
        raise CommandError("a file is named twice", Exit.usage)
    clock = SystemClock()
    async with session(settings, environment, clock) as opened:
        forget_old(opened.folder, clock)
        display = Display(Console(stderr=True))
        live = LiveSource(sys.stdin.fileno(), clock) if STANDARD_INPUT in files else None
        outcomes, heard = await _under_signals(files, wanted, opened, display, live)
    print_outcomes(outcomes, Console(), as_json=as_json)
    if heard.exit_code is not None and len(outcomes) < len(files):
        return heard.exit_code
    return int(exit_code(outcomes))


async def _under_signals(
    files: Sequence[str], wanted: Wanted, opened: Session, display: Display, live: LiveSource | None
) -> tuple[list[Outcome], Interrupts]:
    def started() -> LiveSource:
        assert live is not None
        live.start()
        return live

    def patience() -> Patience:
        return Patience(opened.clock, opened.settings.retry_for)

    sending = Sending(opened, wanted, started, patience)
    places = asyncio.Semaphore(opened.settings.parallel)
    tasks: list[asyncio.Task[Outcome]] = []

    def first() -> None:
        if live is not None:
            live.stop()
        for path, task in zip(files, tasks, strict=True):
            if path != STANDARD_INPUT:
                task.cancel()
        display.line(_advice(live is not None))

    with display, interrupts(first, display.leave) as heard:
        tasks += [asyncio.create_task(_in_place(places, sending, path, display.file(path))) for path in files]
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    broken = [each for each in ended if isinstance(each, Exception)]
    if broken:
        raise broken[0]
    return [each for each in ended if isinstance(each, Outcome)], heard


async def _in_place(places: asyncio.Semaphore, sending: Sending, path: str, shown: FileDisplay) -> Outcome:
    async with places:
        return await sending.send(path, shown)


def _advice(live: bool) -> str:
    if live:
        return "Standard input ends here: what was read is sent and sealed. Ctrl-C once more gives that up."
    return "Stopped. What was acknowledged is kept: the same command goes on from there; `callward status` shows it."


def forget_old(folder: UploadsFolder, clock: Clock) -> None:
    """Forget what was sent long ago. Unfinished uploads stay until they are finished or given up."""
    horizon = clock.now() - REMEMBER
    for each in folder.all():
        if each.completed_at is not None and datetime.fromisoformat(each.completed_at) < horizon:
            folder.forget(each)
