"""The generated parts of documents are those of today's protos, topology and settings."""

import re
from pathlib import Path

import pytest
import yaml

from callward_audit.domain.ocsf import SHAPES
from callward_common.settings import ServiceSettings
from tests.docs.documents import ROOT, blocks, read, rows
from tools import docs_settings, generate_docs, topology_diagram
from tools.docs_events import event_types

SERVICES = [path.name for path in sorted((ROOT / "services").iterdir()) if path.is_dir()]


@pytest.mark.parametrize("document", generate_docs.PARTS)
def test_generated_parts_are_fresh(document: str) -> None:
    text = read(f"docs/{document}")
    assert generate_docs.written(document, text) == text, "run `python -m tools.generate_docs`"


def test_a_stale_part_and_a_missing_marker_are_found(tmp_path: Path) -> None:
    text = read("docs/events.md")
    stale = text.replace("| enforced |", "| best effort |", 1)
    assert stale != text
    assert generate_docs.written("events.md", stale) == text
    with pytest.raises(ValueError, match="no part events"):
        generate_docs.written("events.md", text.replace("<!-- end: events -->", ""))


def test_the_diagram_has_every_edge_of_the_topology() -> None:
    topology = yaml.safe_load(read("deploy/topology.yaml"))
    calls, events = blocks(read("docs/architecture.md"), "mermaid")
    for rpc in topology["rpc"]:
        name = rpc["service"].rsplit(".", 1)[-1]
        for caller in rpc["callers"]:
            edge = rf"^  {_id(caller)} -->\|\"[^\"]*\b{name}\b[^\"]*\"\| {_id(rpc['of'])}$"
            assert re.search(edge, calls, re.MULTILINE), (caller, name)
    assert calls.count("-->") == len({(c, rpc["of"]) for rpc in topology["rpc"] for c in rpc["callers"]})
    for topic in topology["topics"]:
        assert f'"{topic["topic"]}"' in events
    for component in topology["components"]:
        for resource in component["resources"]:
            assert re.search(
                rf"{_id(component['name'])} -->\|\"[^\"]+\"\| {_id(resource['name'])}$", events, re.M
            )


def test_another_edge_is_another_diagram() -> None:
    topology = yaml.safe_load(read("deploy/topology.yaml"))
    before = topology_diagram.render(topology)
    topology["rpc"][0]["callers"].append("retention")
    assert topology_diagram.render(topology) != before


def test_every_event_is_in_the_table_with_its_place_in_ocsf() -> None:
    table = {row[0].strip("`"): row for row in rows(read("docs/events.md"))}
    names = {event.full_name for event in event_types()}
    assert set(table) == names == set(SHAPES)
    for name, row in table.items():
        shape = SHAPES[name]
        assert row[4:6] == [str(shape.class_uid), f"{shape.activity_id} {shape.activity_name}"]
        assert len(row[1]) > 5


def test_every_service_has_its_settings_in_the_table() -> None:
    found = docs_settings.classes()
    assert len(found) == len(SERVICES) == 6
    listed = {row[0].strip("`") for row in rows(read("docs/settings.md"))}
    for each in found:
        prefix = str(each.model_config["env_prefix"])
        assert {f"{prefix}{name.upper()}" for name in each.model_fields} <= listed


@pytest.mark.parametrize("settings", docs_settings.classes(), ids=lambda each: each.__name__)
def test_a_default_can_be_set_as_it_is_shown(
    settings: type[ServiceSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, prefix = settings(), str(settings.model_config["env_prefix"])
    for name, field in settings.model_fields.items():
        if field.default is not None:
            monkeypatch.setenv(f"{prefix}{name.upper()}", docs_settings.shown(field))
    assert settings() == expected


def test_every_field_of_an_event_may_stand_in_one() -> None:
    table = [row for row in rows(read("docs/data-classification.md")) if row[0].startswith("`callward.")]
    assert {row[2] for row in table} <= {"public", "operational", "pseudonym"}
    assert {event.full_name for event in event_types()} <= {row[0].strip("`") for row in table}


def test_every_other_variable_of_callward_is_listed() -> None:
    source = "".join(
        path.read_text(encoding="utf-8")
        for path in (ROOT / "libs").rglob("*.py")
        if "protos" not in path.parts
    )
    used = set(re.findall(r"\"(CALLWARD_[A-Z_]+[A-Z])\"", source))
    assert used
    assert used <= {row[0].strip("`") for row in rows(read("docs/settings.md"))}


def _id(name: str) -> str:
    return name.replace("-", "_")
