"""Imports go one way, rules are pure, and a heavy library has one owner."""

import re
import tomllib
from collections.abc import Iterable
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.architecture.imports import third_party, wrong_imports
from tests.architecture.source import ROOT, SERVICES, Module, assert_none, modules

# Libraries that a declared dependency brings along as a part of its own interface.
PARTS = {"starlette": "fastapi", "pydantic-core": "pydantic", "opentelemetry-api": "opentelemetry-sdk"}


def test_no_module_breaks_a_rule() -> None:
    assert_none(found for module in modules() for found in wrong_imports(module))


def test_every_service_has_its_parts() -> None:
    parts = {(module.package, module.part) for module in modules()}
    needed = {
        (package, part) for package in SERVICES for part in ("wiring", "app", "ports", "domain", "settings")
    }
    assert_none(f"{package} has no {part}" for package, part in sorted(needed - parts))


@pytest.mark.parametrize(
    ("name", "line", "why"),
    [
        ("callward_ingest.domain.policy", "import sqlalchemy", "standard library"),
        ("callward_ingest.domain.policy", "from callward_common.db import Database", "standard library"),
        ("callward_ingest.domain.policy", "from callward_ingest import app", "of its service"),
        ("callward_ingest.app.calls", "from callward_ingest.store import Calls", "of its service"),
        ("callward_ingest.app", "import callward_ingest.settings", "of its service"),
        ("callward_ingest.app.calls", "from callward.ingest.v1 import events_pb2", "no wire format"),
        ("callward_ingest.ports", "def f():\n    from fastapi import Request", "no framework"),
        ("callward_ingest.ports", "from callward_ingest.app.calls import Calls", "of its service"),
        ("callward_ingest.store", "import hvac", "only callward_keys.transit"),
        ("callward_common.objects_s3", "import minio", "only callward_common.objects"),
        ("callward_common.events.bus", "from aiokafka import Producer", "only callward_common.events.kafka"),
        ("callward_keys.http_api", "import cedarpy", "only callward_access"),
        ("callward_ingest.wiring", "from callward_embedded import host", "development commands"),
        ("callward_cli.verify", "import callward_embedded", "development commands"),
    ],
)
def test_a_planted_import_is_found(tmp_path: Path, name: str, line: str, why: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(line + "\n")
    found = list(wrong_imports(Module(name, path)))
    assert any(why in each for each in found), found


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("callward_ingest.domain.policy", "import datetime, hashlib"),
        ("callward_ingest.domain.policy", "from callward_common.errors import CallwardError"),
        ("callward_ingest.app.calls", "from callward_ingest import domain, ports"),
        ("callward_ingest.ports", "from callward_common.identity import Caller"),
        ("callward_ingest.store", "import sqlalchemy"),
        ("callward_keys.transit.vault", "import hvac"),
        ("callward_cli.dev", "from callward_embedded.host import run"),
        ("callward_cli.demo.steps", "from callward_embedded import host"),
    ],
)
def test_what_is_allowed_passes(tmp_path: Path, name: str, line: str) -> None:
    path = tmp_path / "planted.py"
    path.write_text(line + "\n")
    assert list(wrong_imports(Module(name, path))) == []


def test_shipped_code_imports_what_the_distribution_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    declared = _names(project["dependencies"])
    extras = declared | _names(each for extra in project["optional-dependencies"].values() for each in extra)
    distributions = packages_distributions()
    undeclared = {
        f"{module.name} imports {top}"
        for module in modules()
        for top in third_party(module)
        if not _is_declared(
            distributions.get(top, []), extras if module.package == "callward_embedded" else declared
        )
    }
    assert_none(sorted(undeclared))


def _names(requirements: Iterable[str]) -> set[str]:
    return {_canonical(re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0]) for requirement in requirements}


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _is_declared(providers: Iterable[str], declared: set[str]) -> bool:
    names = {_canonical(provider) for provider in providers}
    return bool((names | {PARTS[name] for name in names if name in PARTS}) & declared)
