"""The ports of the doors: settled at the start, and held from then on."""

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from callward_common.runtime.web import listen
from callward_embedded.config import PORTS, EmbeddedConfig
from callward_embedded.errors import StartFailed
from callward_embedded.files import write_durably


def hold_ports(config: EmbeddedConfig, file: Path) -> Mapping[str, socket.socket]:
    """Returns a listening socket for each of PORTS: on a fixed port, else on that of the last start, else on a free one.

    The issuer's address is in every token: with another port they would not survive a restart. The sockets listen
    from here on, since a port that is only known to be free may be another's when the doors open, seconds later.
    Raises StartFailed when a fixed port is taken; nothing is held then.
    """
    known = json.loads(file.read_bytes()) if file.exists() else {}
    held: dict[str, socket.socket] = {}
    try:
        for name in PORTS:
            held[name] = _hold(config, name, known.get(name))
    except BaseException:
        for each in held.values():
            each.close()
        raise
    chosen = {name: each.getsockname()[1] for name, each in held.items()}
    if chosen != known:
        write_durably(file, json.dumps(chosen).encode())
    return held


def _hold(config: EmbeddedConfig, name: str, last: int | None) -> socket.socket:
    host = f"[{config.host}]" if ":" in config.host else config.host
    fixed = config.ports.get(name)
    try:
        return listen(f"{host}:{fixed or last or 0}")
    except OSError as error:
        if fixed is not None:
            reason = os.strerror(error.errno) if error.errno else "unknown"
            raise StartFailed(f"Port {fixed} for {name} cannot be used: {reason}.") from None
        return listen(f"{host}:0")
