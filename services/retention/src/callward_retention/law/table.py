"""Reads the law's table that is shipped with the service."""

import csv
import io
from collections.abc import Mapping
from importlib import resources

from callward_retention.domain.model import LawRow, LawTable, MinorRule

VERSION = "2026-11"
_FILE = "retention.csv"


def shipped_table() -> LawTable:
    """Return the table that came with this version of Callward. Raises ValueError when the file is damaged."""
    text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
    rows = tuple(_row(record) for record in csv.DictReader(io.StringIO(text)))
    if len({(row.jurisdiction, row.entity_type) for row in rows}) != len(rows):
        raise ValueError("a row stands twice in the table of retention")
    return LawTable(VERSION, rows)


def _row(record: Mapping[str, str]) -> LawRow:
    return LawRow(
        jurisdiction=record["jurisdiction"],
        entity_type=record["entity_type"],
        adult_years=_number(record["adult_years"]),
        trigger=record["adult_trigger"],
        minor_rule=MinorRule(record["minor_rule_type"]),
        minor_until_age=_number(record["minor_until_age"]),
        minor_years=_number(record["minor_years"]),
        rule_text=record["rule_text"],
        citation=record["citation"],
    )


def _number(text: str) -> int | None:
    return int(text) if text else None
