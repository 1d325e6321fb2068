"""What can go wrong while a recording is sent: what is worth another try, and what is not."""

from callward_cli.exits import CommandError, Exit


class Interrupted(Exception):
    """The connection broke, or the platform is not able to answer now. `retry_after`: its own wish, in seconds."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.reason, self.retry_after = reason, retry_after


class OffsetMismatch(Exception):
    """The platform holds another number of bytes than we thought: `offset` of them."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Refused(CommandError):
    """The platform refused a request for good: status, the last part of the problem's type, and its detail."""

    def __init__(self, status: int, kind: str, detail: str, state: str | None = None) -> None:
        shown = f"{status} {kind}".strip()
        did = "refused" if status < 500 else "failed"
        super().__init__(
            f"the platform {did} ({shown})" + (f": {detail}" if detail else ""), self._code_of(status, kind)
        )
        self.status, self.kind, self.detail, self.state = status, kind, detail, state

    @staticmethod
    def _code_of(status: int, kind: str) -> Exit:
        """A refused sign-in says nothing about the recording, and nor does a fault of the platform's."""
        if status >= 500:
            return Exit.platform
        return Exit.usage if status == 401 or kind == "scope-missing" else Exit.failed


class FileChanged(CommandError):
    """The file is not the one whose upload was begun."""

    def __init__(self, message: str) -> None:
        super().__init__(message, Exit.usage)


class GivenUp(CommandError):
    """Nothing came through for as long as was to be tried. What is acknowledged stays, and the upload may go on."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Exit.platform)
