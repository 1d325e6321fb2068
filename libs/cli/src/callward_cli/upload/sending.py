"""One file from the command line to its verified receipt."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from callward_cli.exits import CommandError, Exit
from callward_cli.upload.display import FileDisplay
from callward_cli.upload.errors import FileChanged, Refused
from callward_cli.upload.media_types import media_type_of
from callward_cli.upload.outcome import Outcome
from callward_cli.upload.patience import Patience
from callward_cli.upload.receipts import KEYS_PATH, check_receipt, fetch_proof
from callward_cli.upload.session import Session
from callward_cli.upload.sources import FileSource, Source
from callward_cli.upload.state import STANDARD_INPUT, Remembered
from callward_cli.upload.transfer import Transfer
from callward_cli.upload.wanted import Wanted
from callward_cli.verify.keys import read_keys
from callward_common.ids import new_id


class Sending:
    """Sends files in one session."""

    def __init__(
        self,
        session: Session,
        wanted: Wanted,
        live: Callable[[], Source],
        patience: Callable[[], Patience],
    ) -> None:
        """`live` gives standard input, started; `patience` a new one for each file."""
        self._session, self._wanted, self._live, self._patience = session, wanted, live, patience

    async def send(self, path: str, shown: FileDisplay) -> Outcome:
        """Send one file, or "-", and check its receipt. Every CommandError becomes the outcome."""
        upload: Remembered | None = None
        try:
            with ExitStack() as stack:
                upload, source, sent = await self._prepared(path, shown, stack)
                transfer = self._transfer(source, shown)
                if not sent:
                    shown.sending(upload.size)
                    upload = await self._carried(transfer, upload, shown)
                shown.ends("checking the receipt")
                outcome = await self._checked(path, transfer, upload, already_sent=sent)
        except CommandError as error:
            outcome = Outcome(path, error=error, upload=self._known(upload))
        shown.ends(outcome.state)
        return outcome

    async def finish(self, upload: Remembered, source: Source, shown: FileDisplay) -> Outcome:
        """Send what `source` still gives of an upload that is known, and check its receipt."""
        try:
            transfer = self._transfer(source, shown)
            upload = await self._carried(transfer, upload, shown)
            return await self._checked(upload.path, transfer, upload, already_sent=False)
        except CommandError as error:
            return Outcome(upload.path, error=error, upload=self._known(upload))

    async def _prepared(
        self, path: str, shown: FileDisplay, stack: ExitStack
    ) -> tuple[Remembered, Source, bool]:
        """Return what to send, written down before its first byte, and whether it was sent before."""
        wanted, folder = self._wanted, self._session.folder
        media_type = media_type_of(
            path, wanted.media_type or ("audio/wav" if path == STANDARD_INPUT else None)
        )
        upload = self._new(path, media_type)
        stack.enter_context(folder.alone_with(upload))
        if path == STANDARD_INPUT:
            folder.keep(upload)
            return upload, self._live(), False
        source = stack.enter_context(FileSource(Path(path)))
        shown.hashing(source.size)
        found = await source.fingerprint(shown.stands_at)
        upload = replace(upload, size=found.size, modified_ns=found.modified_ns, digest=found.digest)
        before = folder.find(upload)
        if before is not None and (known := self._go_on(before, upload)) is not None:
            return known, source, known.answer is not None
        folder.keep(upload)
        return upload, source, False

    def _new(self, path: str, media_type: str) -> Remembered:
        return Remembered(
            server=self._session.door.server,
            call_id=self._wanted.call_id,
            path=path if path == STANDARD_INPUT else str(Path(path).absolute()),
            media_type=media_type,
            idempotency_key=new_id(),
            begun_at=self._session.clock.now().isoformat(),
            leg=self._wanted.leg,
            started_at=self._wanted.started_at,
        )

    def _go_on(self, before: Remembered, now: Remembered) -> Remembered | None:
        """Return the earlier upload where it is the one to go on with; None: begin anew. Raises FileChanged."""
        if before.answer is not None:
            return before if before.digest == now.digest and not self._wanted.again else None
        if before.url is None:
            return None
        if before.digest != now.digest:
            raise FileChanged(
                f"{now.path} is another file than the one whose upload {before.upload_id} was begun "
                f"{before.begun_at[:16]}; bring that one back, or give it up: callward upload --cancel {before.upload_id}"
            )
        if before.media_type != now.media_type or before.started_at != now.started_at:
            raise FileChanged(
                f"{now.path} was begun with another --media-type or --started-at; "
                f"repeat those, or give it up: callward upload --cancel {before.upload_id}"
            )
        return before

    def _transfer(self, source: Source, shown: FileDisplay) -> Transfer:
        session = self._session
        return Transfer(
            session.door,
            session.folder,
            source,
            patience=self._patience(),
            clock=session.clock,
            watch=shown,
        )

    async def _carried(self, transfer: Transfer, upload: Remembered, shown: FileDisplay) -> Remembered:
        try:
            if upload.url is not None:
                shown.notes(f"going on with the upload {upload.upload_id}")
            return await transfer.run(upload)
        except Refused as refused:
            if refused.status == 404 and refused.kind == "upload-not-found":
                raise CommandError(
                    f"the platform knows no upload {upload.upload_id}: if that is right, "
                    f"`callward status --forget {upload.upload_id}` and send the file again",
                    Exit.failed,
                ) from refused
            if refused.kind != "upload-ended" or upload.url is None or upload.path == STANDARD_INPUT:
                self._over(upload, refused)
                raise
            shown.notes(f"the upload {upload.upload_id} has ended ({refused.state}); beginning anew")
            anew = replace(
                upload, url=None, idempotency_key=new_id(), begun_at=self._session.clock.now().isoformat()
            )
            self._session.folder.keep(anew)
            return await transfer.run(anew)

    def _over(self, upload: Remembered, refused: Refused) -> None:
        """Forget what can never be gone on with: what was refused before it was created, or has ended."""
        known = self._session.folder.find(upload)
        if refused.status in {400, 410, 413, 415} or (known is not None and known.url is None):
            self._session.folder.forget(upload)

    async def _checked(
        self, path: str, transfer: Transfer, upload: Remembered, *, already_sent: bool
    ) -> Outcome:
        door, keys = self._session.door, self._wanted.keys
        if keys is None:
            keys = read_keys(await transfer.tried(lambda: door.read(KEYS_PATH)))
        proof = await fetch_proof(door, str(upload.upload_id)) if self._wanted.proof else None
        report = check_receipt(upload, keys, proof)
        if self._wanted.proof and proof is None:
            report.fails("on record", "no proof was given for the receipt's event")
        if self._wanted.keys is None:
            report.unchecked.append(
                "that the public keys are Callward's: the door gave them; give yours with --keys"
            )
        return Outcome(path, upload, report, already_sent=already_sent)

    def _known(self, upload: Remembered | None) -> Remembered | None:
        return None if upload is None else self._session.folder.find(upload) or upload
