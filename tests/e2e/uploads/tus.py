"""The tus 1.0 dialect as its clients speak it."""

import base64
import hashlib
from typing import Final

from tests.support.uploads import Answer, Header, Sender, Wire, replaced

VERSION: Final[Header] = ("Tus-Resumable", "1.0.0")
PATCH_TYPE: Final = "application/offset+octet-stream"


def encoded(text: str) -> str:
    """A value of Upload-Metadata."""
    return base64.b64encode(text.encode()).decode()


def checksum(body: bytes, algorithm: str = "sha1") -> Header:
    """Upload-Checksum of a body."""
    return (
        "Upload-Checksum",
        f"{algorithm} {base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}",
    )


class Tus:
    """Speaks tus through a sender's door and token."""

    def __init__(self, sender: Sender) -> None:
        self.sender = sender

    def metadata(self) -> str:
        """What names the call and the media type."""
        return f"call {encoded(self.sender.call_id)},filetype {encoded('audio/wav')}"

    def create(self, length: int | None, *headers: Header, body: bytes = b"") -> Answer:
        """`length` None: it is deferred. A body is the creation-with-upload extension's."""
        size: Header = ("Upload-Defer-Length", "1") if length is None else ("Upload-Length", str(length))
        usual: list[Header] = [VERSION, size, ("Upload-Metadata", self.metadata())]
        if body:
            usual.append(("Content-Type", PATCH_TYPE))
        answer = self.sender.request("POST", "/v1/uploads", *replaced(usual, headers), body=body)
        if answer.status == 201:
            self.sender.remember(answer["Location"])
        return answer

    def created(self, length: int | None, *headers: Header, body: bytes = b"") -> str:
        """Creates an upload and returns its path."""
        answer = self.create(length, *headers, body=body)
        assert answer.status == 201, answer
        return answer["Location"]

    def patching(self, path: str, offset: int, *headers: Header, announced: int | None = 0) -> Wire:
        """Begins a PATCH."""
        usual: list[Header] = [VERSION, ("Upload-Offset", str(offset)), ("Content-Type", PATCH_TYPE)]
        return self.sender.open("PATCH", path, *replaced(usual, headers), announced=announced)

    def patch(self, path: str, offset: int, body: bytes, *headers: Header) -> Answer:
        """Sends a PATCH and waits for its answer."""
        usual: list[Header] = [VERSION, ("Upload-Offset", str(offset)), ("Content-Type", PATCH_TYPE)]
        return self.sender.request("PATCH", path, *replaced(usual, headers), body=body)

    def head(self, path: str, *headers: Header) -> Answer:
        """Asks for the offset."""
        return self.sender.request("HEAD", path, *replaced([VERSION], headers))

    def delete(self, path: str, *headers: Header) -> Answer:
        """Terminates."""
        return self.sender.request("DELETE", path, *replaced([VERSION], headers))
