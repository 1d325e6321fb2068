"""Carries one recording over: creates or resumes its upload, appends until the end, goes on after every break."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Protocol, TypeVar

from callward_cli.exits import CommandError, Exit
from callward_cli.upload.door import Door, Piece, Position, no_bytes
from callward_cli.upload.errors import Interrupted, OffsetMismatch, Refused
from callward_cli.upload.patience import Patience
from callward_cli.upload.sources import Source
from callward_cli.upload.state import Remembered, UploadsFolder
from callward_common.clock import Clock

T = TypeVar("T")


class Watch(Protocol):
    """Is told how it goes."""

    def stands_at(self, offset: int) -> None:
        """So many bytes are sent, or known to be durable."""
        ...

    def waits(self, seconds: float, reason: str) -> None:
        """The next try comes in some seconds."""
        ...

    def notes(self, text: str) -> None:
        """Something that people should know."""
        ...


class Transfer:
    """One upload under way."""

    def __init__(
        self,
        door: Door,
        folder: UploadsFolder,
        source: Source,
        *,
        patience: Patience,
        clock: Clock,
        watch: Watch,
    ) -> None:
        self._door, self._folder, self._source = door, folder, source
        self._patience, self._clock, self._watch = patience, clock, watch
        self._durable = 0

    async def run(self, upload: Remembered) -> Remembered:
        """Send what is missing of an upload that is written down already. Returns it complete, with its answer.

        Raises CommandError: Refused, FileChanged, GivenUp; what is durable stays then, and may be gone on with.
        """
        upload, position = await self._begin(upload)
        if upload.size is not None and (most := position.limits.max_size) is not None and upload.size > most:
            await self.tried(lambda: self._door.cancel(str(upload.url)))
            self._folder.forget(upload)
            raise CommandError(f"{upload.path} is larger than the platform takes: {most} bytes", Exit.failed)
        while not position.complete:
            self._stands_at(position)
            position = await self._forward(upload, position)
        answer = position.answer or await self.tried(lambda: self._answer_of(upload))
        completed = replace(upload, answer=answer, completed_at=self._clock.now().isoformat())
        self._folder.keep(completed)
        return completed

    async def tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Return what `attempt` returns, trying again as long as patience lasts."""
        while True:
            try:
                return await attempt()
            except Interrupted as broken:
                await self._patience.wait(broken, self._watch.waits)

    async def _begin(self, upload: Remembered) -> tuple[Remembered, Position]:
        if upload.url is None:
            url, position = await self.tried(lambda: self._door.create(upload))
            upload = replace(upload, url=url)
            self._folder.keep(upload)
        else:
            position = await self.tried(lambda: self._door.position(str(upload.url)))
        self._patience.came_through()
        return upload, position

    async def _forward(self, upload: Remembered, position: Position) -> Position:
        url, before = str(upload.url), position.offset
        try:
            piece = await self._source.piece(before, position.limits, self._watch.stands_at)
            found = await self._door.append(url, piece)
        except OffsetMismatch as mismatch:
            found = replace(position, offset=mismatch.offset)
            if found.offset <= before:
                await self._patience.wait(Interrupted("the platform stands elsewhere"), self._watch.waits)
        except Interrupted as broken:
            await self._patience.wait(broken, self._watch.waits)
            found = await self.tried(lambda: self._door.position(url))
        if found.offset > before or found.complete:
            self._patience.came_through()
        return replace(found, limits=position.limits)

    def _stands_at(self, position: Position) -> None:
        if position.offset < self._durable:
            raise CommandError("the platform lost bytes that it had acknowledged", Exit.platform)
        self._durable = position.offset
        self._source.acknowledged(position.offset)
        self._watch.stands_at(position.offset)

    async def _answer_of(self, upload: Remembered) -> dict[str, Any]:
        """Return what the door says of a complete upload whose answer was lost on its way.

        The same creation again gives the answer again, with what the receipt commits to; where the door has forgotten
        the creation, the recording itself is what is left.
        """
        upload_id = str(upload.upload_id)
        view = await self._door.read("/v1/uploads/{}", (upload_id,))
        if view.get("state") == "completing":
            # Every byte is kept and something was away: asking for the end once more has it sealed.
            end = Piece(int(view.get("offset") or 0), no_bytes, 0, complete=True)
            answer = (await self._door.append(str(upload.url), end)).answer or {}
        else:
            answer = await self._first_answer(upload)
        if answer.get("recordingId") == upload_id:
            return answer
        self._watch.notes("the first answer was lost, so that not all of the receipt can be checked")
        return await self._door.read("/v1/recordings/{}", (upload_id,))

    async def _first_answer(self, upload: Remembered) -> dict[str, Any]:
        try:
            url, position = await self._door.create(upload)
        except Refused:
            return {}
        if not position.complete and url != upload.url:
            # Forgotten: this is a new upload, which nobody wants.
            await self._door.cancel(url)
        return position.answer or {}
