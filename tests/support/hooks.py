"""A receiver of webhooks for tests that run outside an event loop."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.support.waiting import eventually


@dataclass
class HookReceiver:
    """Takes every webhook with 204, after `released` is set."""

    url: str = ""
    requests: list[tuple[Mapping[str, str], bytes]] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def ids(self) -> list[str]:
        """The webhook-ids in the order of their arrival."""
        return [headers["webhook-id"] for headers, _ in self.requests]

    def wait(self, count: int, *, within: float = 30.0) -> None:
        """Returns when that many webhooks have arrived."""
        eventually(lambda: len(self.requests) >= count, f"{count} webhooks", within=within)


@contextmanager
def hook_receiver(*, released: bool = True) -> Iterator[HookReceiver]:
    """A receiver that listens on loopback while the block lasts; not released, it takes and says nothing."""
    made = HookReceiver()
    if released:
        made.released.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            made.released.wait(60)
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
            """Says nothing: what arrived is in `requests`."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_address[1]}/hook?token=planted-token"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.released.set()
        server.shutdown()
        server.server_close()
        thread.join(timeout=10)
