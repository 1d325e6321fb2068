"""Resumable uploads as their senders see them, over bare sockets: interim responses, repeated headers and breaks."""

import json
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit

import http_sf

from tests.support.doors import HOSPITAL, PROBLEM, Callward, Client
from tests.support.journeys import media
from tests.support.waiting import eventually

T = TypeVar("T", bound=Callable[..., Any])
#: A header's name and value; a value of None takes a header away that would be sent.
Header = tuple[str, str | None]
#: Asks for interim responses: the version of the draft that is meant.
INTEROP: Final[Header] = ("Upload-Draft-Interop-Version", "8")
#: Asks to be told to go on (RFC 9110 section 10.1.1): `Wire.go_ahead` returns once the request is under way.
EXPECT: Final[Header] = ("Expect", "100-continue")
IANA: Final = "https://iana.org/assignments/http-problem-types#"
_PARTIAL: Final = "application/partial-upload"


def shows(*numbers: str) -> Callable[[T], T]:
    """Says which requirements of docs/conformance a test shows. A docs test compares the two."""
    assert numbers
    return lambda test: test


class HungUp(ConnectionError):
    """The connection ended where an answer was awaited."""


@dataclass(frozen=True)
class Answer:
    """A response as it came: names of headers in lower case, in their order, repeated ones included."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    interim: tuple["Answer", ...] = ()

    def get(self, name: str) -> str | None:
        """Returns a header's value, None where it is not there. Fails where it is there twice."""
        found = [value for each, value in self.headers if each == name.lower()]
        assert len(found) < 2, (name, found)
        return found[0] if found else None

    def __getitem__(self, name: str) -> str:
        found = self.get(name)
        assert found is not None, f"no {name} in {self}"
        return found

    @property
    def offset(self) -> int:
        """Upload-Offset."""
        return int(_item(self["Upload-Offset"], int))

    @property
    def complete(self) -> bool:
        """Upload-Complete."""
        return bool(_item(self["Upload-Complete"], bool))

    @property
    def length(self) -> int | None:
        """Upload-Length, None where it is not there."""
        stated = self.get("Upload-Length")
        return None if stated is None else int(_item(stated, int))

    @property
    def limits(self) -> Mapping[str, int]:
        """Upload-Limit: a dictionary of integers."""
        members: Any = http_sf.parse(self["Upload-Limit"].encode(), tltype="dictionary")
        found = {str(name): member[0] for name, member in members.items()}
        assert all(type(value) is int for value in found.values()), found
        return found

    def json(self, status: int) -> dict[str, Any]:
        """Returns the JSON of an answer with this status."""
        assert self.status == status, self
        document = json.loads(self.body)
        assert isinstance(document, dict)
        return document

    def problem(self) -> tuple[int, str]:
        """Returns the status and the problem's type, without the parts in front that all of them share."""
        assert self["Content-Type"] == "application/problem+json", self
        document = json.loads(self.body)
        assert document["status"] == self.status, document
        assert document["request_id"] == self["X-Request-Id"], document
        kind = str(document["type"])
        assert kind.startswith((PROBLEM, IANA)), kind
        return self.status, kind.removeprefix(PROBLEM).removeprefix(IANA)


def _item(text: str, kind: type[Any]) -> Any:
    value = http_sf.parse(text.encode(), tltype="item")
    assert isinstance(value, tuple)
    assert type(value[0]) is kind, text
    return value[0]


class Wire:
    """One connection. What is sent is what a test says, right or wrong; leaving the block closes it."""

    def __init__(self, base: str, *, timeout: float = 30.0) -> None:
        """`timeout`: how long an answer is waited for."""
        where = urlsplit(base)
        self.host, self._method, self._received = where.netloc, "", b""
        self.socket = socket.create_connection((where.hostname or "", where.port or 80), timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def reset(self) -> None:
        """Ends the connection as a machine that fails does: by a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def begin(self, method: str, path: str, headers: list[tuple[str, str]]) -> None:
        """Sends a request's head."""
        self._method = method
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def send(self, data: bytes) -> None:
        """Sends bytes of a body that was announced."""
        self.socket.sendall(data)

    def chunk(self, data: bytes) -> None:
        """Sends a chunk (RFC 9112 section 7.1); an empty one ends the body."""
        self.socket.sendall(b"%x\r\n%b\r\n" % (len(data), data))

    def one(self) -> Answer:
        """Waits for the next response, interim or final. Raises HungUp."""
        head = self._until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(head[0].split(" ")[1])
        pairs = [line.partition(":") for line in head[1:]]
        answer = Answer(status, tuple((name.lower(), value.strip()) for name, _, value in pairs))
        return Answer(status, answer.headers, self._body(answer))

    def answer(self) -> Answer:
        """Waits for the final response and returns it with the interim ones before it. Raises HungUp."""
        interim: list[Answer] = []
        while (found := self.one()).status < 200:
            interim.append(found)
        return Answer(found.status, found.headers, found.body, tuple(interim))

    def go_ahead(self) -> None:
        """Waits for 100 (Continue): from then on the door reads the body."""
        while (found := self.one()).status != 100:
            assert found.status < 200, found

    def outcome(self) -> Answer | None:
        """Waits for the final response; None when the server hangs up instead."""
        try:
            return self.answer()
        except HungUp:
            return None

    def closed(self) -> bool:
        """Waits for the end of the connection, orderly or by a reset; False when something else comes."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def _body(self, head: Answer) -> bytes:
        if self._method == "HEAD" or head.status < 200 or head.status in (204, 304):
            return b""
        if (head.get("Transfer-Encoding") or "").lower() == "chunked":
            whole = b""
            while size := int(self._until(b"\r\n"), 16):
                whole += self._exactly(size + 2)[:-2]
            self._exactly(2)
            return whole
        if (size_stated := head.get("Content-Length")) is not None:
            return self._exactly(int(size_stated))
        with suppress(HungUp):  # such a body ends with its connection
            while True:
                self._more()
        return self._received

    def _until(self, mark: bytes) -> bytes:
        while mark not in self._received:
            self._more()
        found, _, self._received = self._received.partition(mark)
        return found

    def _exactly(self, size: int) -> bytes:
        while len(self._received) < size:
            self._more()
        found, self._received = self._received[:size], self._received[size:]
        return found

    def _more(self) -> None:
        try:
            more = self.socket.recv(65_536)
        except ConnectionError as error:
            raise HungUp(str(error)) from error
        if not more:
            raise HungUp("the server hung up")
        self._received += more


def flag(value: bool) -> str:
    """A Boolean as a structured field writes it."""
    return "?1" if value else "?0"


class Sender:
    """Sends uploads of one call through one door, with one token; every request has a connection of its own."""

    def __init__(self, client: Client, call_id: str) -> None:
        """`client`: the door and the token."""
        self.client, self.call_id = client, call_id
        self._begun: list[str] = []

    def open(self, method: str, path: str, *headers: Header, announced: int | None = 0) -> Wire:
        """Sends a request's head; `announced` None: chunks follow. A header that is named replaces the usual one."""
        usual: list[Header] = [
            ("Authorization", f"Bearer {self.client.token}" if self.client.token else None),
            ("Content-Length", str(announced)) if announced is not None else ("Transfer-Encoding", "chunked"),
        ]
        wire = Wire(self.client.base)
        wire.begin(method, path, replaced(usual, headers))
        return wire

    def request(self, method: str, path: str, *headers: Header, body: bytes = b"") -> Answer:
        """Sends a whole request and waits for its answer."""
        with self.open(method, path, *headers, announced=len(body)) as wire:
            return _sent(wire, body)

    def creation(self, complete: bool, *headers: Header, announced: int | None = 0) -> Wire:
        """Begins a request that creates an upload."""
        usual: list[Header] = [("Upload-Complete", flag(complete)), ("Content-Type", "audio/wav")]
        path = f"/v1/uploads?call={self.call_id}"
        return self.open("POST", path, *_as_headers(usual, headers), announced=announced)

    def appending(
        self, path: str, offset: int, complete: bool, *headers: Header, announced: int | None = 0
    ) -> Wire:
        """Begins a request that appends."""
        usual: list[Header] = [
            ("Upload-Complete", flag(complete)),
            ("Upload-Offset", str(offset)),
            ("Content-Type", _PARTIAL),
        ]
        return self.open("PATCH", path, *_as_headers(usual, headers), announced=announced)

    def create(self, *headers: Header, body: bytes = b"", complete: bool = False) -> Answer:
        """Creates an upload with its first bytes."""
        with self.creation(complete, *headers, announced=len(body)) as wire:
            answer = _sent(wire, body)
        if answer.status == 201 and not answer.complete:
            self.remember(answer["Location"])
        return answer

    def created(self, *headers: Header, body: bytes = b"") -> str:
        """Creates an incomplete upload and returns its path."""
        answer = self.create(*headers, body=body)
        assert (answer.status, answer.complete, answer.offset) == (201, False, len(body)), answer
        return answer["Location"]

    def append(
        self, path: str, offset: int, body: bytes = b"", *headers: Header, complete: bool = False
    ) -> Answer:
        """Appends."""
        with self.appending(path, offset, complete, *headers, announced=len(body)) as wire:
            return _sent(wire, body)

    def head(self, path: str, *headers: Header) -> Answer:
        """Asks for the offset."""
        return self.request("HEAD", path, *headers)

    def cancel(self, path: str, *headers: Header) -> Answer:
        """Cancels."""
        return self.request("DELETE", path, *headers)

    def remember(self, path: str) -> None:
        """Has an upload cancelled by `tidy`."""
        self._begun.append(path)

    def tidy(self) -> None:
        """Cancels what was begun and may still be open: a tenant may have so many open uploads, and no more."""
        for path in self._begun:
            self.cancel(path)
        self._begun.clear()

    def document(self, path: str) -> dict[str, Any]:
        """What the door says of an upload. Unlike HEAD it leaves a running append alone."""
        return self.request("GET", path).json(200)

    def wait_kept(self, path: str, offset: int) -> None:
        """Waits until an upload keeps exactly so many bytes, without disturbing it."""
        eventually(
            lambda: self.document(path)["offset"] == offset, f"that {offset} bytes are kept", within=10
        )

    def state(self, path: str) -> str:
        """Returns what became of an upload: receiving, complete, cancelled and so on."""
        return str(self.document(path)["state"])


def replaced(usual: list[Header], headers: Sequence[Header]) -> list[tuple[str, str]]:
    """Returns the usual headers with those that are named in their place."""
    return [(name, value) for name, value in _as_headers(usual, headers) if value is not None]


def _as_headers(usual: list[Header], headers: Sequence[Header]) -> list[Header]:
    named = {name.lower() for name, _ in headers}
    return [*(each for each in usual if each[0].lower() not in named), *headers]


def _sent(wire: Wire, body: bytes) -> Answer:
    with suppress(ConnectionError):  # an early answer may be there to be read all the same
        wire.send(body)
    return wire.answer()


def upload_id(path: str) -> str:
    """The id in an upload's path, which is also that of its recording."""
    return path.rpartition("/")[2]


def heard(callward: Callward, recording_id: str, tenant: str = HOSPITAL) -> bytes:
    """The bytes that a person hears through the access gateway."""
    person = callward.person(tenant)
    answer = person.get(media(person, recording_id))
    assert answer.status_code == 200, answer.text
    return answer.content
