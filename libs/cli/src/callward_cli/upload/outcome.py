"""How the upload of one recording ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from callward_cli.exits import CommandError, Exit
from callward_cli.upload.state import Remembered
from callward_cli.verify.report import Report

SEALED = "sealed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """A recording that was taken in, with its receipt's report; or the error for which it was not."""

    path: str
    upload: Remembered | None = None
    report: Report | None = None
    error: CommandError | None = None
    already_sent: bool = False

    @property
    def state(self) -> str:
        """The recording's state, or `unfinished` when it may be gone on with, or `refused`."""
        if self.upload is not None and self.upload.answer is not None:
            return str(self.upload.answer.get("state", "unknown"))
        return "refused" if self.code is Exit.failed else "unfinished"

    @property
    def code(self) -> Exit:
        """What it means for the exit code."""
        if self.error is not None:
            return self.error.code
        good = self.state == SEALED and self.report is not None and self.report.good
        return Exit.ok if good else Exit.failed

    def to_json(self) -> dict[str, Any]:
        """Return it as data."""
        upload, answer = self.upload, (self.upload.answer if self.upload else None) or {}
        return {
            "file": self.path,
            "state": self.state,
            "good": self.code is Exit.ok,
            "alreadySent": self.already_sent,
            "uploadId": upload.upload_id if upload else None,
            "callId": upload.call_id if upload else None,
            "size": upload.size if upload else None,
            "sha256": upload.digest if upload else None,
            "recording": answer or None,
            "verification": self.report.to_json() if self.report else None,
            "error": self.error.message if self.error else None,
        }


def exit_code(outcomes: Iterable[Outcome]) -> Exit:
    """Return the exit code of them all: a platform that broke down outweighs a refusal, and that a wrong file."""
    codes = {outcome.code for outcome in outcomes}
    return next((code for code in (Exit.platform, Exit.failed, Exit.usage) if code in codes), Exit.ok)
