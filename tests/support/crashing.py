"""`callward dev` that kills itself with SIGKILL at a named step. A program of the tests: the product has no such hook.

Run as `python -m tests.support.crashing CONTROL dev …`. Steps are methods that are wrapped here, before the platform is
made; a step fires when the file CONTROL names it: "point nth", nth counting from 1.
"""

import functools
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Point:
    """A step: a method of a class, and whether the process dies before or after it."""

    where: str
    when: str = "after"
    only: Callable[[tuple[Any, ...]], bool] = lambda _: True


def _of_recording(arguments: tuple[Any, ...]) -> bool:
    return any(getattr(each, "kind", None) == "recording" for each in arguments)


_APP, _STORE, _NEIGHBOURS = "callward_ingest.app", "callward_ingest.store", "callward_ingest.neighbours"
#: Every named step, in the order in which an upload passes them.
POINTS: dict[str, Point] = {
    "upload registered": Point(f"{_APP}.opening:Opening.register"),
    "key asked for": Point(f"{_NEIGHBOURS}.keys:GrpcKeys.issue", "before", _of_recording),
    "bucket key used": Point("callward_embedded.key_ring:LocalTransit.generate_data_key"),
    "key issued": Point(f"{_NEIGHBOURS}.keys:GrpcKeys.issue", "after", _of_recording),
    "append begun": Point(f"{_STORE}.uploads:DatabaseUploads.begin"),
    "object staged": Point(f"{_APP}.objects:Objects._stage"),
    "object being written": Point("callward_crypto.streaming:StreamEncryptor.update"),
    "object written": Point("callward_embedded.file_objects:FileObjectStore.put"),
    "acknowledged, not committed": Point(f"{_STORE}.uploads:DatabaseUploads.acknowledge"),
    "acknowledged": Point(f"{_APP}.appends:Appends._commit"),
    "whole, not committed": Point(f"{_STORE}.uploads:DatabaseUploads.complete_body"),
    "whole": Point(f"{_APP}.appends:Appends._complete"),
    "measured": Point(f"{_APP}.sessions:Session.finish"),
    "peaks written": Point(f"{_APP}.completing:Completing._write_peaks"),
    "sidecar written": Point(f"{_APP}.objects:Objects.write_sidecar"),
    "settled, not committed": Point(f"{_STORE}.uploads:DatabaseUploads.prepare"),
    "settled": Point(f"{_APP}.completing:Completing._settle"),
    "wrap kept": Point("callward_keys.store.wraps:WrapObjects.keep"),
    "key sealed": Point(f"{_NEIGHBOURS}.keys:GrpcKeys.seal"),
    "receipt signed": Point(f"{_NEIGHBOURS}.signing:GrpcSigner.sign_receipt"),
    "on record, not committed": Point(f"{_STORE}.uploads:DatabaseUploads.finish"),
    "on record": Point(f"{_APP}.completing:Completing._put_on_record"),
    "events published": Point("callward_embedded.event_log:PostgresEventLog.publish"),
}
#: The steps of an upload that is cancelled.
CANCEL_POINTS: dict[str, Point] = {
    "end not committed": Point(f"{_STORE}.uploads:DatabaseUploads.give_up"),
    "end marked": Point(f"{_APP}.endings:Endings._mark"),
    "key given up": Point(f"{_NEIGHBOURS}.keys:GrpcKeys.abandon"),
    "object deleted": Point("callward_embedded.file_objects:FileObjectStore.delete"),
    "object forgotten": Point(f"{_APP}.objects:Objects.remove"),
    "upload settled": Point(f"{_STORE}.uploads:DatabaseUploads.settled"),
}


def arm(control: Path, point: str, nth: int = 1) -> None:
    """Has the process die at the nth time that it comes to a step from now on."""
    control.write_text(f"{nth} {point}", encoding="utf-8")


class _Trap:
    def __init__(self, control: Path) -> None:
        self._control, self._seen = control, dict[str, int]()

    def come_to(self, name: str) -> None:
        try:
            nth, _, point = self._control.read_text(encoding="utf-8").partition(" ")
        except FileNotFoundError:
            self._seen.clear()
            return
        if point != name:
            return
        self._seen[name] = self._seen.get(name, 0) + 1
        if self._seen[name] == int(nth):
            os.kill(os.getpid(), signal.SIGKILL)


def _wrap(trap: _Trap, name: str, point: Point) -> None:
    module, _, path = point.where.partition(":")
    owner: Any = import_module(module)
    *parents, last = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    original = getattr(owner, last)

    def before(arguments: tuple[Any, ...]) -> None:
        if point.when == "before" and point.only(arguments):
            trap.come_to(name)

    def after(arguments: tuple[Any, ...]) -> None:
        if point.when == "after" and point.only(arguments):
            trap.come_to(name)

    @functools.wraps(original)
    async def waited(*arguments: Any, **named: Any) -> Any:
        before(arguments)
        result = await original(*arguments, **named)
        after(arguments)
        return result

    @functools.wraps(original)
    def called(*arguments: Any, **named: Any) -> Any:
        before(arguments)
        result = original(*arguments, **named)
        after(arguments)
        return result

    import inspect

    setattr(owner, last, waited if inspect.iscoroutinefunction(original) else called)


def main() -> None:
    """Wraps the steps, then is `callward`."""
    control = Path(sys.argv.pop(1))
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    trap = _Trap(control)
    for name, point in {**POINTS, **CANCEL_POINTS}.items():
        _wrap(trap, name, point)
    from callward_cli.main import main as callward

    callward()


if __name__ == "__main__":
    main()
