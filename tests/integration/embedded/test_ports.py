"""Ports of the doors are held from the moment they are settled."""

import json
import socket
from pathlib import Path

import pytest

from callward_embedded.config import PORTS, EmbeddedConfig
from callward_embedded.errors import StartFailed
from callward_embedded.ports import hold_ports


def _config(**ports: int) -> EmbeddedConfig:
    return EmbeddedConfig(data_dir=Path("data"), ports=ports, environment={})


def _close(held: dict[str, socket.socket]) -> dict[str, int]:
    ports = {name: each.getsockname()[1] for name, each in held.items()}
    for each in held.values():
        each.close()
    return ports


def test_a_held_port_is_taken_for_everybody_else(tmp_path: Path) -> None:
    held = hold_ports(_config(), tmp_path / "ports.json")
    try:
        assert set(held) == set(PORTS)
        assert len({each.getsockname()[1] for each in held.values()}) == len(PORTS)
        for each in held.values():
            with pytest.raises(OSError, match="in use"):
                socket.create_server(each.getsockname())
    finally:
        _close(dict(held))


def test_ports_are_kept_from_start_to_start(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = _close(dict(hold_ports(_config(), file)))
    assert json.loads(file.read_bytes()) == first
    assert _close(dict(hold_ports(_config(), file))) == first


def test_a_kept_port_that_is_taken_gives_way_to_a_free_one(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = hold_ports(_config(), file)
    second = hold_ports(_config(), file)
    before, after = _close(dict(first)), _close(dict(second))
    assert not set(before.values()) & set(after.values())
    assert json.loads(file.read_bytes()) == after


def test_a_fixed_port_that_is_taken_is_named_and_nothing_stays_held(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, socket.create_server(("127.0.0.1", 0)) as free:
        taken, wanted = other.getsockname()[1], free.getsockname()[1]
        free.close()
        with pytest.raises(
            StartFailed, match=f"^Port {taken} for audit cannot be used: Address already in use.$"
        ):
            hold_ports(_config(issuer=wanted, audit=taken), tmp_path / "ports.json")
        socket.create_server(("127.0.0.1", wanted)).close()
    assert not (tmp_path / "ports.json").exists()
