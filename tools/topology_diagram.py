"""Draws deploy/topology.yaml as Mermaid flowcharts for docs/architecture.md."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

#: The topic that every component follows: drawn once, since an arrow to each would hide the others.
EVERYBODY = "callward.tenants.v1"


def render(topology: Mapping[str, Any]) -> str:
    """Return the text of both diagrams: who calls whom; what is published, consumed and used beside that."""
    return "\n\n".join(
        (
            "Who calls whom (gRPC with mutual TLS; nothing else is accepted):",
            _fenced(_calls(topology)),
            "Events, and what is used that is no RPC:",
            _fenced(_events_and_resources(topology)),
        )
    )


def _calls(topology: Mapping[str, Any]) -> Iterator[str]:
    yield from _components(topology)
    yield '  operator(["operator"])'
    edges: dict[tuple[str, str], list[str]] = {}
    for rpc in topology["rpc"]:
        for caller in rpc["callers"]:
            edges.setdefault((caller, rpc["of"]), []).append(rpc["service"].rsplit(".", 1)[-1])
    for (caller, callee), services in sorted(edges.items()):
        yield f'  {_id(caller)} -->|"{", ".join(sorted(services))}"| {_id(callee)}'


def _events_and_resources(topology: Mapping[str, Any]) -> Iterator[str]:
    yield from _components(topology)
    for name in sorted({edge["name"] for each in topology["components"] for edge in each["resources"]}):
        yield f'  {_id(name)}[("{name}")]'
    for each in topology["components"]:
        for resource in each["resources"]:
            yield f'  {_id(each["name"])} -->|"{", ".join(resource["rights"])}"| {_id(resource["name"])}'
    for topic in topology["topics"]:
        consumers = ["everybody"] if topic["topic"] == EVERYBODY else topic["consumers"]
        for producer in topic["producers"]:
            for consumer in consumers:
                yield f'  {_id(producer)} -.->|"{topic["topic"]}"| {_id(consumer)}'
    yield '  everybody(["all six"])'


def _components(topology: Mapping[str, Any]) -> Iterator[str]:
    for each in topology["components"]:
        name = each["name"]
        yield f'  {_id(name)}["{name}<br/>(HTTP door)"]' if each["http_door"] else f'  {_id(name)}["{name}"]'


def _fenced(lines: Iterable[str]) -> str:
    return "\n".join(("```mermaid", "flowchart LR", *lines, "```"))


def _id(name: str) -> str:
    return name.replace("-", "_")
