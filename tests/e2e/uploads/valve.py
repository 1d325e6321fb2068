"""A network between a client and a door that lets so many bytes through and then nothing more, until it is opened."""

import socket
import threading
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_PIECE = 65_536


class Valve:
    """Passes on whatever comes, both ways, until `limit` bytes of requests went through. Its URL is that of the door."""

    def __init__(self, door: str, limit: int) -> None:
        """`door`: a base URL."""
        where = urlsplit(door)
        self._door = (where.hostname or "", where.port or 80)
        self._limit, self._passed = limit, 0
        self._changed = threading.Condition()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._open: set[socket.socket] = set()
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.open()
        self._listening.close()
        for each in list(self._open):
            each.close()

    def wait_closed(self) -> None:
        """Returns once nothing more gets through."""
        with self._changed:
            assert self._changed.wait_for(lambda: self._passed >= self._limit, timeout=60)

    def open(self) -> None:
        """Lets everything through from here on."""
        with self._changed:
            self._limit = 1 << 62
            self._changed.notify_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:  # closed
                return
            server = socket.create_connection(self._door)
            self._open |= {client, server}
            threading.Thread(target=self._pass, args=(client, server, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, metered: bool) -> None:
        try:
            while data := source.recv(_PIECE):
                if metered:
                    self._admit(len(data))
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:  # one of the two is gone: so is the connection
            source.close()
            target.close()

    def _admit(self, size: int) -> None:
        with self._changed:
            self._passed += size
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._passed < self._limit)
