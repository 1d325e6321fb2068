"""A receiver of webhooks on loopback, which may take its time."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Receiver:
    """What came, as webhook-ids in order. While `held` nothing is answered."""

    url: str = ""
    came: list[str] = field(default_factory=list)
    answered: list[str] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver that holds what comes until `free` is set."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            event = self.headers["webhook-id"]
            found.came.append(event)
            found.free.wait()
            try:
                self.send_response(204)
                self.end_headers()
            except ConnectionError:  # who waited for the answer is gone
                return
            found.answered.append(event)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="receiver", daemon=True)
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/callward"
    try:
        yield found
    finally:
        found.free.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
