"""The shipped table: complete, and of the version that the changelog names."""

import re
from importlib.resources import files

from callward_retention.law import table
from tests.unit.retention.oracle import ROWS


def test_the_version_is_the_changelogs_newest_heading() -> None:
    changelog = (files("callward_retention") / "law" / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)$", changelog, flags=re.MULTILINE)
    assert headings[0] == table.VERSION == table.shipped_table().version
    assert headings == sorted(headings, reverse=True)
    assert all(row["effective_from"][:7] <= table.VERSION for row in ROWS)


def test_the_table_has_a_hospital_and_a_physician_for_every_state_and_the_district() -> None:
    rows = table.shipped_table().rows
    assert len(rows) == len(ROWS) == 124
    for kind in ("hospital", "physician"):
        assert len({row.jurisdiction for row in rows if row.entity_type == kind}) == 51


def test_every_row_is_read_as_the_file_says() -> None:
    for row, text in zip(table.shipped_table().rows, ROWS, strict=True):
        assert (row.jurisdiction, row.entity_type) == (text["jurisdiction"], text["entity_type"])
        assert (row.citation, row.rule_text, row.trigger) == (
            text["citation"],
            text["rule_text"],
            text["adult_trigger"],
        )
        for value, column in (
            (row.adult_years, "adult_years"),
            (row.minor_years, "minor_years"),
            (row.minor_until_age, "minor_until_age"),
        ):
            assert ("" if value is None else str(value)) == text[column]


def test_every_row_with_a_number_can_be_cited() -> None:
    assert all(row["citation"] and row["rule_text"] for row in ROWS if row["adult_years"])
