"""`callward status`: what is remembered here of uploads, and how the platform sees them."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from callward_cli.config import Settings, signs_in, state_folder
from callward_cli.exits import CommandError, Exit
from callward_cli.upload.door import Door
from callward_cli.upload.errors import Interrupted, Refused
from callward_cli.upload.session import named, session
from callward_cli.upload.state import Remembered, UploadsFolder
from callward_common.clock import SystemClock


async def show(
    upload_ids: Sequence[str],
    call_id: str | None,
    settings: Settings,
    environment: Mapping[str, str],
    *,
    forget: bool,
    as_json: bool,
) -> int:
    """Print uploads, and a call's recordings where one is named. Returns the exit code. Raises CommandError."""
    folder = UploadsFolder(state_folder(environment))
    if forget:
        return _forget(folder, upload_ids)
    known = _chosen(folder, upload_ids, call_id)
    views: list[dict[str, Any]] = [_view(each) | {"state": "not asked: say how to sign in"} for each in known]
    call: dict[str, Any] | None = None
    code = Exit.ok
    if upload_ids or call_id or (known and signs_in(settings)):
        async with session(settings, environment, SystemClock()) as opened:
            seen = [await _seen(opened.door, each) for each in known]
            views = [_view(each) | found for each, (found, _) in zip(known, seen, strict=True)]
            code = Exit.ok if all(reached for _, reached in seen) else Exit.platform
            for upload_id in sorted(set(upload_ids) - {view["uploadId"] for view in views}):
                views += [{"uploadId": upload_id} | await _asked(opened.door, "/v1/uploads/{}", upload_id)]
            call = await _asked(opened.door, "/v1/calls/{}", call_id) if call_id else None
    _print(views, call, as_json=as_json)
    return int(code)


def _forget(folder: UploadsFolder, upload_ids: Sequence[str]) -> int:
    if not upload_ids:
        raise CommandError("name the uploads that are to be forgotten", Exit.usage)
    for upload_id in upload_ids:
        folder.forget(named(folder, upload_id))
    return int(Exit.ok)


def _chosen(folder: UploadsFolder, upload_ids: Sequence[str], call_id: str | None) -> list[Remembered]:
    """Return the unfinished uploads that are asked for; of one that is named also when it is complete."""
    return [
        each
        for each in folder.all()
        if (each.upload_id in upload_ids if upload_ids else each.answer is None)
        and call_id in {None, each.call_id}
    ]


async def _seen(door: Door, upload: Remembered) -> tuple[dict[str, Any], bool]:
    """Return how the platform sees an upload, and whether it could be asked."""
    if upload.url is None:
        return {"state": "not created"}, True
    if upload.server != door.server:
        return {"state": "elsewhere"}, True
    try:
        return await door.read("/v1/uploads/{}", (str(upload.upload_id),)), True
    except Interrupted as error:
        return {"state": "unknown", "reason": error.reason}, False
    except Refused as refused:
        if refused.status != 404:
            raise
        return {"state": "unknown to the platform"}, True


async def _asked(door: Door, path: str, name: str) -> dict[str, Any]:
    try:
        return await door.read(path, (name,))
    except Interrupted as error:
        raise CommandError(error.reason, Exit.platform) from error


def _view(upload: Remembered) -> dict[str, Any]:
    return {
        "uploadId": upload.upload_id,
        "callId": upload.call_id,
        "file": upload.path,
        "server": upload.server,
        "length": upload.size,
        "begunAt": upload.begun_at,
        "completedAt": upload.completed_at,
    }


def _print(views: Sequence[Mapping[str, Any]], call: Mapping[str, Any] | None, *, as_json: bool) -> None:
    console = Console()
    if as_json:
        document = {"uploads": list(views), "call": call}
        console.file.write(json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        return

    def line(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    if not views and call is None:
        line("No upload is unfinished.")
    for view in views:
        line(_upload_line(view))
    if call is not None:
        line(
            f"call {escape(str(call.get('callId')))}: {escape(str((call.get('decision') or {}).get('outcome')))}"
        )
        for recording in call.get("recordings") or ():
            reasons = ", ".join(str(each) for each in recording.get("reasons") or ())
            more = f" ({escape(reasons)})" if reasons else ""
            line(
                f"  recording {escape(str(recording.get('recordingId')))}  {escape(str(recording.get('state')))}{more}"
            )


def _upload_line(view: Mapping[str, Any]) -> str:
    parts = [str(view["uploadId"] or "—"), str(view.get("state"))]
    if view.get("offset") is not None:
        parts.append(f"{view['offset']:,} of {_size(view.get('length'))} bytes durable")
    if view.get("reason"):
        parts.append(str(view["reason"]))
    if view.get("expiresAt"):
        parts.append(f"until {view['expiresAt']}")
    if view.get("server") and view.get("state") == "elsewhere":
        parts.append(f"at {view['server']}")
    return escape("  ".join([*parts, str(view.get("file", ""))]).rstrip())


def _size(length: object) -> str:
    return f"{length:,}" if isinstance(length, int) else "an unknown number of"
