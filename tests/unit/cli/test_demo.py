"""The demo: a step that is not as promised stops the rest and makes the exit code 1; what it showed is data too."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from rich.console import Console

from callward_cli.demo import command, example
from callward_cli.demo.steps import NotAsPromised, Outcome, Steps, demand
from callward_cli.exits import CommandError, Exit
from callward_embedded.errors import StartFailed
from tests.unit.cli.conftest import Run


async def _fine() -> Outcome:
    return Outcome("as it should be", {"number": 7})


async def _broken() -> Outcome:
    demand(condition=False, message="200 where 403 was promised")
    raise AssertionError


def _steps() -> tuple[Steps, io.StringIO]:
    out = io.StringIO()
    return Steps(Console(file=out, width=200)), out


async def test_a_step_prints_its_promise_outcome_and_time() -> None:
    steps, out = _steps()
    await steps.run("fine", "It is fine", _fine)
    assert steps.kept
    assert out.getvalue().startswith("✓  1 It is fine: as it should be (0.0")
    assert out.getvalue().count("\n") == 1


async def test_after_a_broken_promise_nothing_more_is_run() -> None:
    steps, out = _steps()
    ran = []

    async def late() -> Outcome:
        ran.append("late")
        return Outcome("")

    await steps.run("fine", "It is fine", _fine)
    await steps.run("broken", "It is refused", _broken)
    await steps.run("late", "It is late", late)
    assert not steps.kept
    assert ran == []
    assert [result.name for result in steps.results] == ["fine", "broken"]
    assert "✗  2 It is refused: 200 where 403 was promised" in out.getvalue()
    assert "late" not in out.getvalue()


async def test_an_outcome_is_shown_as_it_is() -> None:
    steps, out = _steps()

    async def odd() -> Outcome:
        return Outcome("[/red] [bold]x[/]")

    await steps.run("odd", "It is shown", odd)
    assert "It is shown: [/red] [bold]x[/] (" in out.getvalue()


async def test_a_fault_is_no_outcome() -> None:
    steps, _ = _steps()

    async def faulty() -> Outcome:
        raise KeyError("recordingId")

    with pytest.raises(KeyError):
        await steps.run("faulty", "It works", faulty)
    assert steps.results == []


async def test_results_are_data() -> None:
    steps, _ = _steps()
    await steps.run("fine", "It is fine", _fine)
    await steps.run("broken", "It is refused", _broken)
    fine, broken = (result.to_json() for result in steps.results)
    assert fine == {
        "step": "fine",
        "promise": "It is fine",
        "kept": True,
        "outcome": "as it should be",
        "seconds": fine["seconds"],
        "data": {"number": 7},
    }
    assert set(broken) == {"step", "promise", "kept", "outcome", "seconds"}
    assert (broken["kept"], broken["outcome"]) == (False, "200 where 403 was promised")


def test_what_is_demanded_and_holds_passes() -> None:
    demand([1], "never shown")
    with pytest.raises(NotAsPromised, match="shown"):
        demand([], "shown")


class _Platform:
    """Stands for the platform: what the demo asks of it before the first step."""

    def __init__(self, *_: object) -> None:
        self.doors = {"ingest": "", "access-gateway": "", "audit": ""}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the demo tell other steps than its own, without a platform."""

    def play(*actions: Any) -> None:
        async def tell(_: object, steps: Steps) -> None:
            for number, action in enumerate(actions):
                await steps.run(f"step-{number}", f"Promise {number}", action)

        async def story(*_: object) -> None:
            return None

        monkeypatch.setattr(command, "Platform", _Platform)
        monkeypatch.setattr(command, "_story", story)
        monkeypatch.setattr(command, "_tell", tell)

    return play


def test_a_demo_as_promised_ends_with_0_and_its_data(
    run: Run, played: Callable[..., None], tmp_path: Path
) -> None:
    played(_fine, _fine)
    ended = run("demo", "--json", tmp_path / "demo.json")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.splitlines()[-1].startswith("Every step as promised (2 steps, ")
    document = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert set(document) == {"kept", "readySeconds", "seconds", "steps"}
    assert document["kept"] is True
    assert [step["step"] for step in document["steps"]] == ["step-0", "step-1"]


def test_a_broken_promise_ends_with_1_and_its_data(
    run: Run, played: Callable[..., None], tmp_path: Path
) -> None:
    played(_fine, _broken, _fine)
    ended = run("demo", "--json", tmp_path / "demo.json")
    assert (ended.code, ended.err) == (1, "")
    assert ended.out.splitlines()[-1] == "A step was not as promised"
    assert "Promise 2" not in ended.out
    document = json.loads((tmp_path / "demo.json").read_text(encoding="utf-8"))
    assert document["kept"] is False
    assert [step["kept"] for step in document["steps"]] == [True, False]


def test_a_file_that_cannot_be_written_is_one_line(
    run: Run, played: Callable[..., None], tmp_path: Path
) -> None:
    played(_fine)
    ended = run("demo", "--json", tmp_path / "absent" / "demo.json")
    assert ended.code == int(Exit.usage)
    assert ended.err.startswith("callward: ")
    assert ended.err.count("\n") == 1


def test_a_platform_that_does_not_start_is_one_line_and_3(
    run: Run, played: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(_Platform):
        async def __aenter__(self) -> Self:
            raise StartFailed("PostgreSQL did not start.")

    played(_fine)
    monkeypatch.setattr(command, "Platform", Failing)
    ended = run("demo")
    assert (ended.code, ended.err) == (3, "callward: PostgreSQL did not start.\n")


def test_a_fault_of_ours_is_one_line_without_its_text(run: Run, played: Callable[..., None]) -> None:
    async def faulty() -> Outcome:
        raise KeyError("PLANTED")

    played(faulty)
    ended = run("demo")
    assert ended.code == 3
    assert "PLANTED" not in ended.out + ended.err
    assert ended.err.count("\n") == 1


def test_production_is_refused(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLWARD_ENV", "production")
    for name in ("demo", "dev"):
        ended = run(name)
        assert ended.code == 3
        assert ended.err.startswith("callward: CALLWARD_ENV is production")
        assert ended.err.count("\n") == 1


def test_the_example_is_whole_and_a_damaged_one_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    call = example.load()
    first, last = call.seconds_3_to_6
    assert last - first + 1 == 3 * 16_000
    (tmp_path / f"{example.NAME}.json").write_text(json.dumps(call.metadata), encoding="utf-8")
    (tmp_path / f"{example.NAME}.wav").write_bytes(call.audio[:-1])
    monkeypatch.setattr(example, "_folder", lambda: tmp_path)
    with pytest.raises(CommandError, match="damaged"):
        example.load()
