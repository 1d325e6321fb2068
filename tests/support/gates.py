"""Gates before the services' own ports, through which all their neighbours call them: shut, they refuse as a dead one."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

from callward_common.runtime.running import Addresses
from callward_embedded.platform import Platform

_PIECE = 65_536


class Gate:
    """Passes on what comes on a port of its own, both ways."""

    def __init__(self, target: str) -> None:
        """`target`: host:port."""
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._port = int(self._listening.getsockname()[1])
        self._silent = False
        self._open: set[socket.socket] = set()
        self._serve()

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self._port}"

    @contextmanager
    def shut(self) -> Iterator[None]:
        """Connections end, and new ones are refused."""
        self.close()
        try:
            yield
        finally:
            self._listening = socket.create_server(("127.0.0.1", self._port))
            self._serve()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Connections end; new ones are taken, and nothing is ever answered on them."""
        self._silent = True
        self._cut()
        try:
            yield
        finally:
            self._silent = False
            self._cut()

    def close(self) -> None:
        """Ends everything."""
        # A thread that waits in accept() keeps the port: shutdown wakes it.
        with suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(timeout=10)
        self._cut()

    def _cut(self) -> None:
        for each in list(self._open):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _serve(self) -> None:
        self._thread = threading.Thread(target=self._accept, args=(self._listening,), daemon=True)
        self._thread.start()

    def _accept(self, listening: socket.socket) -> None:
        while True:
            try:
                client, _ = listening.accept()
            except OSError:  # closed
                return
            self._open.add(client)
            if not self._silent:
                self._join(client)

    def _join(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target)
        except OSError:  # the service is gone: so is who asks for it
            client.close()
            return
        self._open.add(server)
        for ends in ((client, server), (server, client)):
            threading.Thread(target=self._pass, args=ends, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(_PIECE):
                target.sendall(data)
        for each in (source, target):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@contextmanager
def gated(*components: str) -> Iterator[dict[str, Gate]]:
    """Puts gates before components of the platform that is started within the block. They are there once it serves."""
    gates: dict[str, Gate] = {}
    bound = Platform._bound

    def bind(self: Platform, addresses: Mapping[str, Addresses]) -> None:
        bound(self, addresses)
        for name in components:
            gates[name] = Gate(self.grpc_addresses[name])
            self.grpc_addresses[name] = gates[name].address

    patched: Any = mock.patch.object(Platform, "_bound", bind)
    with patched:
        try:
            yield gates
        finally:
            for gate in gates.values():
                gate.close()
