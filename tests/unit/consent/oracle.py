"""A second implementation of the consent rules, straight from the file of the law: the first one is held against it."""

import csv
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.resources import files
from pathlib import Path

from callward_consent.domain.model import Call, Evidence, QueuePolicy, Revocation

FILE = Path(str(files("callward_consent") / "law" / "recording_consent.csv"))


def csv_rows() -> dict[str, dict[str, str]]:
    """Gives the rows by code, as text."""
    with FILE.open(encoding="utf-8", newline="") as lines:
        return {row["jurisdiction"]: row for row in csv.DictReader(lines)}


ROWS = csv_rows()


def codes_of(call: Call) -> set[str]:
    """Gives the codes of everybody on the line; whoever names none, or only the country, is somewhere unknown."""
    named: set[str] = set()
    for party in call.parties:
        named |= {code or "unknown" for code in party.jurisdictions} - {"US"} or {"unknown"}
    return named


def is_strict(code: str, rows: Mapping[str, Mapping[str, str]] = ROWS) -> bool:
    """Tells whether everybody must consent: wherever the table does not plainly say that one suffices."""
    return code == "unknown" or rows[code]["telephone_consent"] in ("all-party", "mixed", "unclear")


def stands(item: Evidence, revocations: Sequence[Revocation], clocks_differ: timedelta) -> bool:
    """Tells whether no revocation taken down after it might have been said after it, as far as clocks tell."""
    told_after = [
        r for r in revocations if r.party_id == item.party_id and r.revocation_id > item.evidence_id
    ]
    return all(item.given_at - r.revoked_at > clocks_differ for r in told_after)


def has_revoked(party_id: str, evidence: Sequence[Evidence], revocations: Sequence[Revocation]) -> bool:
    """Walks through a party's words in time; what is said in the same instant as a revocation does not undo it."""
    words = [
        (e.given_at, 0, "announced" if e.kind == "announcement" else "consents")
        for e in evidence
        if e.party_id == party_id
    ]
    words += [(r.revoked_at, 1, "revokes") for r in revocations if r.party_id == party_id]
    revoked = False
    for _, _, word in sorted(words):
        if word != "announced":
            revoked = word == "revokes"
    return revoked


def outcome(
    call: Call,
    evidence: Sequence[Evidence],
    revocations: Sequence[Revocation],
    policy: QueuePolicy,
    use: str,
    clocks_differ: timedelta = timedelta(0),
) -> str:
    """Gives the outcome by its name."""
    evidence = [item for item in evidence if stands(item, revocations, clocks_differ)]
    if use == "record" and not policy.recording_on:
        return "recording-off"
    if any(has_revoked(party.party_id, evidence, revocations) for party in call.parties):
        return "revoked"
    strict = {code for code in codes_of(call) if is_strict(code)}
    if not strict:
        return "permit"
    enough = {"verbal-yes", "written-form"}
    if policy.implied_consent and all(
        code != "unknown" and ROWS[code]["announcement_suffices"] == "yes" for code in strict
    ):
        enough = enough | {"announcement"}
    for party in call.parties:
        if party.role != "organisation":
            shown = {str(item.kind) for item in evidence if item.party_id == party.party_id}
            if not shown & enough:
                return "evidence-missing"
    return "permit"
