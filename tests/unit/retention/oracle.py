"""A second implementation of the retention rules, straight from the file of the law."""

import csv
from importlib.resources import files
from pathlib import Path

FILE = Path(str(files("callward_retention") / "law" / "retention.csv"))
FLOORS = {"hospital": "42 CFR 482.24(b)(1)", "physician": "42 CFR 424.516(f)"}


def csv_rows() -> list[dict[str, str]]:
    """Gives the rows as text."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


ROWS = csv_rows()
STATE_ROWS = [row for row in ROWS if row["jurisdiction"] != "US"]


def number(row: dict[str, str], age: str) -> int:
    """Gives the years of a row for "adult" or "minor", 0 where it has no number. A minor is as one born today."""
    adult = int(row["adult_years"] or 0)
    if age == "adult":
        return adult
    match row["minor_rule_type"]:
        case "none" | "unclear":
            return 0
        case "same_as_adult":
            return max(adult, int(row["minor_years"] or 0))
        case "max_of" | "until_age":
            return max(adult, int(row["minor_years"] or 0), int(row["minor_until_age"] or 0))
        case other:
            raise AssertionError(f"a rule for minors that nobody knows: {other}")


def years(entity_type: str, state: str, age: str) -> tuple[int, bool]:
    """Gives the years, and whether the longest of the kind had to stand in for a missing number."""
    if age == "unknown":
        return max(years(entity_type, state, "adult"), years(entity_type, state, "minor"))
    floor = max((number(row, age) for row in ROWS if row["citation"] == FLOORS.get(entity_type)), default=0)
    own = [
        number(row, age)
        for row in ROWS
        if row["jurisdiction"] == state and row["entity_type"] in (entity_type, "all_providers")
    ]
    if any(own):
        return max(*own, floor), False
    of_kind = [number(row, age) for row in STATE_ROWS if row["entity_type"] == entity_type]
    return max(max(of_kind, default=0) or max(number(row, age) for row in STATE_ROWS), floor), True
