"""docs/errors.md lists every stable problem type, with its statuses, and nothing else."""

import importlib
import pkgutil
from collections.abc import Mapping

import pytest

from callward_common.errors import STATUS, CallwardError, known_errors
from callward_ingest.domain.masking import MaskingCode
from callward_ingest.domain.media import Finding, FindingCode
from callward_ingest.domain.policy import _CONSENT_REASONS, DIGEST_NOT_VERIFIED
from tests.docs.documents import read, rows

PACKAGES = (
    "callward_common",
    "callward_crypto",
    "callward_consent",
    "callward_ingest",
    "callward_keys",
    "callward_access",
    "callward_audit",
    "callward_retention",
    "callward_embedded",
    "callward_cli",
)


def _import_everything() -> None:
    for package in PACKAGES:
        for info in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            # Migrations run inside alembic only.
            if ".migrations.versions" not in info.name:
                importlib.import_module(info.name)


def _http_status(kind: type[CallwardError]) -> int:
    # A constructor may ask for more than a text; the status follows from the class.
    return kind.__new__(kind).http_status


@pytest.fixture(scope="module")
def known() -> Mapping[str, set[tuple[str, str]]]:
    """The types of the code, each with its HTTP status and gRPC status."""
    _import_everything()
    found: dict[str, set[tuple[str, str]]] = {}
    for kind in known_errors():
        # Tests may define errors of their own.
        if kind.__module__.partition(".")[0] in PACKAGES:
            statuses = (str(_http_status(kind)), STATUS[kind.category][0])
            found.setdefault(kind.type, set()).add(statuses)
    return found


@pytest.fixture(scope="module")
def listed() -> list[list[str]]:
    return [row for row in rows(read("docs/errors.md")) if len(row) == 5]


def test_both_list_the_same(known: Mapping[str, set[tuple[str, str]]], listed: list[list[str]]) -> None:
    types = [row[0].strip("`") for row in listed]
    assert len(types) == len(set(types))
    assert set(types) == set(known)


def test_statuses_agree(known: Mapping[str, set[tuple[str, str]]], listed: list[list[str]]) -> None:
    for row in listed:
        assert known[row[0].strip("`")] == {(row[1], row[2])}, row[0]


def test_each_says_when_and_what_to_do(listed: list[list[str]]) -> None:
    for row in listed:
        assert row[3].endswith("."), row[0]
        assert row[4].endswith("."), row[0]


def test_reasons_of_quarantine_agree() -> None:
    listed = {row[0].strip("`") for row in rows(read("docs/errors.md")) if len(row) == 2}
    findings = {code.value for code in FindingCode if Finding(code, "").quarantines}
    masking = {code.value for code in MaskingCode}
    assert listed == findings | masking | set(_CONSENT_REASONS.values()) | {DIGEST_NOT_VERIFIED}
    for code in FindingCode:
        assert f"`{code.value}`" in read("docs/errors.md")
