"""Steps of the demo: each prints one line with its outcome and time, and the same as data."""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.markup import escape


class NotAsPromised(Exception):
    """A step showed something else than was promised. The message is for people and holds no secret."""


@dataclass(frozen=True)
class Outcome:
    """What a step showed: one line for people, and data for programs."""

    line: str
    data: Mapping[str, Any] = field(default_factory=dict)


Action = Callable[[], Awaitable[Outcome]]


@dataclass(frozen=True)
class StepResult:
    """How a step went. `seconds` is its time."""

    name: str
    promise: str
    kept: bool
    line: str
    seconds: float
    data: Mapping[str, Any]

    def to_json(self) -> Mapping[str, Any]:
        """Return the result as data."""
        return {
            "step": self.name,
            "promise": self.promise,
            "kept": self.kept,
            "outcome": self.line,
            "seconds": round(self.seconds, 3),
            **({"data": self.data} if self.data else {}),
        }


class Steps:
    """Runs steps in order and keeps their results. After a step that is not as promised the rest is not run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.results: list[StepResult] = []

    @property
    def kept(self) -> bool:
        """Whether every step so far was as promised."""
        return all(result.kept for result in self.results)

    async def run(self, name: str, promise: str, action: Action) -> None:
        """Run one step and print its line."""
        if not self.kept:
            return
        started = time.perf_counter()
        try:
            outcome, kept = await action(), True
        except NotAsPromised as error:
            outcome, kept = Outcome(str(error)), False
        seconds = time.perf_counter() - started
        self.results.append(StepResult(name, promise, kept, outcome.line, seconds, outcome.data))
        mark = "[green]✓[/green]" if kept else "[red]✗[/red]"
        number = len(self.results)
        self._console.print(
            f"{mark} {number:2} [bold]{promise}[/bold]: {escape(outcome.line)} [dim]({seconds:.2f} s)[/dim]",
            highlight=False,
            soft_wrap=True,
        )


def demand(condition: object, message: str) -> None:
    """Raise NotAsPromised unless the condition holds."""
    if not condition:
        raise NotAsPromised(message)
