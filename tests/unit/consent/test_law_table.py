"""The shipped table: every row against the file, and the version against the changelog."""

import re
from importlib.resources import files

import pytest

from callward_consent.domain.model import Outcome
from callward_consent.law import table
from tests.unit.consent.builders import LAW, ON_IMPLIED, announcement, between, verbal_yes, verdict
from tests.unit.consent.oracle import ROWS, is_strict

STATES = 50


def test_there_are_57_rows_of_the_federation_the_states_the_district_and_the_territories() -> None:
    assert len(ROWS) == 57
    assert set(LAW.rows) == set(ROWS)
    assert len(set(ROWS) - {"US", "DC", "PR", "VI", "GU", "AS", "MP"}) == STATES


def test_the_version_is_the_changelogs_newest_heading() -> None:
    changelog = (files("callward_consent") / "law" / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)$", changelog, flags=re.MULTILINE)
    assert headings[0] == table.VERSION == LAW.version
    assert headings == sorted(headings, reverse=True)


def test_no_row_is_of_a_later_version_than_the_table() -> None:
    assert all(re.fullmatch(r"\d{4}-\d{2}-\d{2}", row["effective_from"]) for row in ROWS.values())
    assert all(row["effective_from"][:7] <= table.VERSION for row in ROWS.values())


@pytest.mark.parametrize("code", ROWS)
def test_a_row_is_applied_as_the_file_says(code: str) -> None:
    row = ROWS[code]
    applied = {rule.jurisdiction: rule for rule in verdict(between(code, code)).rules}[code]
    assert applied.one_party is (row["telephone_consent"] == "one-party")
    assert applied.engine_rule == row["recommended_engine_rule"]
    assert applied.statute == row["statute"]
    assert applied.confidence == row["confidence"]
    assert applied.deciding is (code != "US")  # federal law is a floor: the country alone names no place


@pytest.mark.parametrize("code", sorted(set(ROWS) - {"US"}))
def test_a_row_decides_a_call_within_its_jurisdiction(code: str) -> None:
    facts = between(code, code)
    if not is_strict(code):
        assert verdict(facts).outcome is Outcome.permit
        return
    assert verdict(facts).outcome is Outcome.evidence_missing
    assert verdict(facts, announcement()).outcome is Outcome.evidence_missing
    assert verdict(facts, verbal_yes()).outcome is Outcome.permit
    suffices = ROWS[code]["announcement_suffices"] == "yes"
    implied = verdict(facts, announcement(), policy=ON_IMPLIED).outcome
    assert implied is (Outcome.permit if suffices else Outcome.evidence_missing)


@pytest.mark.parametrize("code", ROWS)
def test_the_column_for_engines_and_the_column_of_the_law_agree(code: str) -> None:
    assert is_strict(code) is not ROWS[code]["recommended_engine_rule"].startswith("one_party")
