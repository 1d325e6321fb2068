"""Writes deploy/topology.yaml from the descriptors: who calls whom, who consumes what, who uses which resource.

`--check` compares with the committed file instead and exits 1 on a difference.
"""

import argparse
import importlib
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

import callward
from callward.options.v1 import options_pb2

TARGET = Path(__file__).parent.parent / "deploy" / "topology.yaml"
HEADER = """\
# Generated from the protos by `make topology`; never edited.
# rpc: who calls which gRPC service · topics: who produces and consumes · resources: edges that are no RPC.
"""


def modules() -> Iterator[ModuleType]:
    """Yield every generated module with a descriptor."""
    for info in pkgutil.walk_packages(callward.__path__, "callward."):
        if info.name.endswith("_pb2"):
            yield importlib.import_module(info.name)


def topology() -> dict[str, Any]:
    """Return the topology as plain data, sorted."""
    files = [module.DESCRIPTOR for module in modules()]
    components = {
        file.package: file.GetOptions().Extensions[options_pb2.component]
        for file in files
        if file.GetOptions().HasExtension(options_pb2.component)
    }
    rpc = []
    produced: dict[str, set[str]] = {}
    for file in files:
        for service in file.services_by_name.values():
            callers = sorted(service.GetOptions().Extensions[options_pb2.callers])
            rpc.append(
                {"service": service.full_name, "of": components[file.package].name, "callers": callers}
            )
        for message in file.message_types_by_name.values():
            topic = message.GetOptions().Extensions[options_pb2.topic]
            if topic:
                produced.setdefault(topic, set()).add(components[file.package].name)
    every = sorted(components.values(), key=lambda component: component.name)
    return {
        "components": [_component(component) for component in every],
        "rpc": sorted(rpc, key=lambda edge: str(edge["service"])),
        "topics": [
            {
                "topic": topic,
                "producers": sorted(producers),
                "consumers": sorted(component.name for component in every if topic in component.consumes),
            }
            for topic, producers in sorted(produced.items())
        ],
    }


def _component(component: options_pb2.Component) -> dict[str, Any]:
    resources = [
        {"name": resource.name, "rights": sorted(resource.rights)} for resource in component.resources
    ]
    return {"name": component.name, "http_door": component.http_door, "resources": resources}


def render() -> str:
    """Return the file's text."""
    return HEADER + yaml.safe_dump(topology(), sort_keys=False)


def main() -> int:
    """Write or compare; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    if not parser.parse_args().check:
        TARGET.write_text(render(), encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") == render():
        return 0
    print("deploy/topology.yaml differs from the protos: run `make topology`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
