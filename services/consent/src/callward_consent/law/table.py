"""Reads the law's table that is shipped with the service."""

import csv
import io
from collections.abc import Mapping
from importlib import resources

from callward_consent.domain.model import LawRow, LawTable

VERSION = "2026-11"
_FILE = "recording_consent.csv"


class ShippedLaw:
    """The table that came with this version of Callward. Raises ValueError when the file is damaged."""

    def __init__(self) -> None:
        text = resources.files(__package__).joinpath(_FILE).read_text(encoding="utf-8")
        rows = [_row(record) for record in csv.DictReader(io.StringIO(text))]
        by_code = {row.jurisdiction: row for row in rows}
        if len(by_code) != len(rows):
            raise ValueError("a jurisdiction stands twice in the table of recording consent")
        self._table = LawTable(VERSION, by_code)

    def table(self) -> LawTable:
        """Return the table."""
        return self._table


def _row(record: Mapping[str, str]) -> LawRow:
    # Mixed and unclear rows count as all-party: in doubt nothing is recorded.
    return LawRow(
        jurisdiction=record["jurisdiction"],
        name=record["name"],
        one_party=record["telephone_consent"] == "one-party",
        announcement_suffices=record["announcement_suffices"] == "yes",
        engine_rule=record["recommended_engine_rule"],
        statute=record["statute"],
        confidence=record["confidence"],
    )
