"""What people see of uploads: a bar for each on a terminal, lines elsewhere, and how they ended."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from callward_cli.exits import Exit
from callward_cli.upload.outcome import SEALED, Outcome, exit_code

_COLOURS: Final = {Exit.ok: "green", Exit.failed: "red", Exit.usage: "red", Exit.platform: "yellow"}


class Display:
    """Shows uploads on standard error, so that standard output holds nothing but their outcome."""

    def __init__(self, console: Console) -> None:
        """`console` writes to standard error; bars are drawn where that is a terminal."""
        self.console = console
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            DownloadColumn(binary_units=True),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[doing]}", style="yellow"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def leave(self) -> None:
        """Give the terminal back as it was, where nothing else will."""
        self.console.show_cursor(show=True)

    def line(self, text: str) -> None:
        """Write one line."""
        self._bars.console.print(text, markup=False, highlight=False, soft_wrap=True)

    def file(self, path: str) -> "FileDisplay":
        """Return what shows one file."""
        name = Path(path).name if path != "-" else "standard input"
        return FileDisplay(
            self, self._bars, self._bars.add_task(escape(name), total=None, doing="", start=False), name
        )


class FileDisplay:
    """Shows one upload; it is a transfer's watch."""

    def __init__(self, display: Display, bars: Progress, task: TaskID, name: str) -> None:
        self._display, self._bars, self._task, self.name = display, bars, task, name

    def hashing(self, total: int | None) -> None:
        """The file is read once, for its digest."""
        self._bars.reset(self._task, total=total, doing="reading")

    def sending(self, total: int | None) -> None:
        """The first byte is about to be sent."""
        self._bars.reset(self._task, total=total, doing="")

    def stands_at(self, offset: int) -> None:
        """So many bytes are read, sent, or known to be durable."""
        self._bars.update(self._task, completed=offset, doing="")

    def waits(self, seconds: float, reason: str) -> None:
        """The next try comes in some seconds."""
        self._bars.update(self._task, doing=f"{reason}, next try in {seconds:.0f} s")
        if not self._bars.console.is_terminal:
            self._display.line(f"{self.name}: {reason}; next try in {seconds:.1f} s")

    def notes(self, text: str) -> None:
        """Write something that people should know."""
        self._display.line(f"{self.name}: {text}")

    def ends(self, doing: str) -> None:
        """Nothing more is to come."""
        self._bars.stop_task(self._task)
        self._bars.update(self._task, doing=doing)


def print_outcomes(outcomes: Sequence[Outcome], console: Console, *, as_json: bool) -> None:
    """Print how uploads ended, for people or as JSON."""
    if as_json:
        document = {
            "good": exit_code(outcomes) is Exit.ok,
            "uploads": [outcome.to_json() for outcome in outcomes],
        }
        console.file.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        return
    for outcome in outcomes:
        _print(outcome, console)


def _print(outcome: Outcome, console: Console) -> None:
    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    colour, path = _COLOURS[outcome.code], escape(outcome.path)
    if outcome.error is not None:
        line(f"[{colour}]{outcome.state}[/{colour}] {path}: {escape(outcome.error.message)}")
        return
    upload = outcome.upload
    assert upload is not None
    answer = upload.answer or {}
    again = " (sent before; nothing was sent now)" if outcome.already_sent else ""
    reasons = ", ".join(str(each) for each in answer.get("reasons") or ())
    line(f"[{colour}]{escape(outcome.state)}[/{colour}] {path}: recording {upload.upload_id}{again}")
    if outcome.state != SEALED and reasons:
        line(f"  kept apart because of: {escape(reasons)}")
    if outcome.report is not None:
        for check in outcome.report.checks:
            mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
            line(f"  {mark} {check.name}: {escape(check.detail)}")
        for text in outcome.report.unchecked:
            line(f"  [yellow]?[/yellow] not checked: {escape(text)}")
