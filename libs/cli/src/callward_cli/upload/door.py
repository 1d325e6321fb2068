"""The door's side of an upload: requests of draft-ietf-httpbis-resumable-upload, and what their answers mean."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote, urlencode, urljoin

import httpx

from callward_cli.exits import CommandError, Exit
from callward_cli.upload import headers as fields
from callward_cli.upload.credentials import Tokens
from callward_cli.upload.errors import Interrupted, OffsetMismatch, Refused
from callward_cli.upload.headers import Limits
from callward_cli.upload.places import same_origin
from callward_cli.upload.state import Remembered

Content = Callable[[], AsyncIterator[bytes]]
_AWAY: Final = frozenset({429, 502, 503, 504})
_MISMATCH: Final = "mismatching-upload-offset"
#: Of an answer in JSON no more than this is read.
MAX_ANSWER: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Position:
    """Where an upload stands. `answer`: what the door says about the recording once it is complete, where it did."""

    offset: int
    complete: bool
    limits: Limits
    answer: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    """Bytes to append. `size` None: not known before; `complete`: the upload ends with them."""

    offset: int
    content: Content = field(repr=False)
    size: int | None
    complete: bool
    length: int | None = None


async def no_bytes() -> AsyncIterator[bytes]:
    """Give the content of an append that only completes."""
    nothing: tuple[bytes, ...] = ()
    for chunk in nothing:
        yield chunk


class Door:
    """Speaks to the door for call platforms. Every method raises CommandError, or Interrupted for another try."""

    def __init__(self, http: httpx.AsyncClient, server: str, tokens: Tokens) -> None:
        """`server`: the door's base address, without a slash at its end."""
        self.server = server
        self._http, self._tokens = http, tokens

    async def create(self, upload: Remembered) -> tuple[str, Position]:
        """Create an upload without any byte yet. Returns its address. The same key again gives the same upload."""
        query = {"call": upload.call_id, "leg": upload.leg, "startedAt": upload.started_at}
        sent = {
            **fields.INTEROP,
            "Upload-Complete": fields.INCOMPLETE,
            "Content-Type": upload.media_type,
            "Idempotency-Key": upload.idempotency_key,
        }
        if upload.size is not None:
            sent["Upload-Length"] = str(upload.size)
        if upload.digest is not None:
            sent["Repr-Digest"] = fields.digest_field(bytes.fromhex(upload.digest))
        wanted = urlencode({name: value for name, value in query.items() if value is not None})
        answer = await self._send("POST", f"{self.server}/v1/uploads?{wanted}", sent, b"")
        where = urljoin(f"{self.server}/", answer.headers.get("Location", ""))
        if answer.status_code != 201 or not same_origin(where, self.server) or where == f"{self.server}/":
            raise CommandError("the platform's answer names no upload of its own", Exit.platform)
        complete = fields.completeness(answer) is True
        return where, Position(
            offset=fields.offset_of(answer) or 0,
            complete=complete,
            limits=fields.limits_of(answer),
            answer=_json(answer) if complete else None,
        )

    async def position(self, url: str) -> Position:
        """Ask how much of an upload is durable; an append that still runs ends by this."""
        try:
            answer = await self._send("HEAD", url, dict(fields.INTEROP))
        except Refused as refused:
            raise await self._reason_of(url, refused) from refused
        offset = fields.offset_of(answer)
        if offset is None:
            raise CommandError("the platform's answer holds no Upload-Offset", Exit.platform)
        return Position(offset, fields.completeness(answer) is True, fields.limits_of(answer))

    async def append(self, url: str, piece: Piece) -> Position:
        """Append bytes. Raises OffsetMismatch too."""
        sent = {
            **fields.INTEROP,
            "Content-Type": fields.PARTIAL,
            "Upload-Offset": str(piece.offset),
            "Upload-Complete": fields.COMPLETE if piece.complete else fields.INCOMPLETE,
        }
        if piece.length is not None:
            sent["Upload-Length"] = str(piece.length)
        if piece.size is not None:
            sent["Content-Length"] = str(piece.size)
        answer = await self._send("PATCH", url, sent, piece.content)
        complete = fields.completeness(answer) is True
        offset = fields.offset_of(answer)
        if offset is None and not complete:
            # The draft wants no Upload-Offset here: what was sent is appended whole.
            offset = (await self.position(url)).offset if piece.size is None else piece.offset + piece.size
        known = offset if offset is not None else piece.length or piece.offset + (piece.size or 0)
        return Position(known, complete, fields.limits_of(answer), _json(answer) if complete else None)

    async def cancel(self, url: str) -> None:
        """End an upload for good: what was sent of it is destroyed."""
        await self._send("DELETE", url, dict(fields.INTEROP))

    async def read(self, path: str, parts: tuple[str, ...] = ()) -> dict[str, Any]:
        """GET a document of the door; `parts` are put into the path where it has {}."""
        quoted = path.format(*(quote(part, safe="") for part in parts))
        document = _json(await self._send("GET", f"{self.server}{quoted}", {}))
        if document is None:
            raise CommandError(f"the platform's answer to {path} is no JSON object", Exit.platform)
        return document

    async def _reason_of(self, url: str, refused: Refused) -> Refused:
        """Return a refusal with its reason, which an answer to HEAD has no body for."""
        try:
            view = _json(await self._send("GET", url, {})) or {}
        except Refused as explained:
            return explained
        return Refused(
            refused.status, "upload-ended" if refused.status == 410 else "", "", str(view.get("state"))
        )

    async def _send(
        self, method: str, url: str, sent: Mapping[str, str], content: Content | bytes | None = None
    ) -> httpx.Response:
        answer = await self._request(method, url, sent, content)
        problem = None if answer.is_success else _problem(answer)
        if answer.status_code == 401 and self._tokens.refused():
            answer = await self._request(method, url, sent, content)
            problem = None if answer.is_success else _problem(answer)
        if problem is not None:
            raise _failure(answer, problem)
        return answer

    async def _request(
        self, method: str, url: str, sent: Mapping[str, str], content: Content | bytes | None
    ) -> httpx.Response:
        headers = {**sent, "Authorization": f"Bearer {await self._tokens.token()}"}
        body = content() if callable(content) else content
        try:
            return await self._http.request(method, url, headers=headers, content=body)
        except httpx.TransportError as error:
            raise Interrupted(f"the connection broke ({type(error).__name__})") from error


def _failure(answer: httpx.Response, problem: Refused) -> Exception:
    offset = fields.offset_of(answer)
    if answer.status_code == 409 and problem.kind == _MISMATCH and offset is not None:
        return OffsetMismatch(offset)
    if answer.status_code in _AWAY:
        return Interrupted(
            f"the platform answered {problem.status} {problem.kind}".strip(), fields.retry_after(answer)
        )
    return problem


def _problem(answer: httpx.Response) -> Refused:
    """Read problem details (RFC 9457); anything else is a refusal without a reason."""
    document = _json(answer) or {}
    kind = str(document.get("type", "")).replace("#", ":").rsplit(":", 1)[-1][:80]
    detail = str(document.get("detail") or document.get("title") or "")
    state = document.get("state")
    return Refused(answer.status_code, kind, detail[:500], state if isinstance(state, str) else None)


def _json(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        document = answer.json() if len(answer.content) <= MAX_ANSWER else None
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
