"""The rules of consent to recording: pure functions over the law's table.

Source of the rules: the rows of the table, each with its statute. Where parties are in several
jurisdictions the strictest applies (Kearney v. Salomon Smith Barney, 39 Cal.4th 95 (2006)).
"""

from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from datetime import timedelta

from callward_consent.domain.errors import UnknownJurisdiction
from callward_consent.domain.model import (
    EXPRESS_EVIDENCE,
    FEDERAL,
    UNKNOWN_JURISDICTION,
    AppliedRule,
    Call,
    Evidence,
    EvidenceKind,
    LawRow,
    LawTable,
    MissingEvidence,
    Outcome,
    Party,
    PartyRole,
    QueuePolicy,
    Revocation,
    Use,
    Verdict,
)

UNKNOWN_ROW = LawRow(
    jurisdiction=UNKNOWN_JURISDICTION,
    name="Unknown",
    one_party=False,
    announcement_suffices=False,
    engine_rule="unknown__treat_as_all_party",
    statute="no jurisdiction known: the strictest rule is applied",
    confidence="low",
)


def rows_for(law: LawTable, parties: Iterable[Party]) -> tuple[LawRow, ...]:
    """Return the rows of all jurisdictions involved, federal law first. Raises UnknownJurisdiction for a code not listed.

    A party of whom only the country is known is somewhere unknown: federal law is a floor, no state's rule.
    """
    codes: dict[str, None] = {FEDERAL: None}
    for party in parties:
        for code in {code for code in party.jurisdictions if code != FEDERAL} or {UNKNOWN_JURISDICTION}:
            codes[code or UNKNOWN_JURISDICTION] = None
    return tuple(_row(law, code) for code in sorted(codes, key=lambda code: code != FEDERAL))


def _row(law: LawTable, code: str) -> LawRow:
    if code == UNKNOWN_JURISDICTION:
        return UNKNOWN_ROW
    row = law.rows.get(code)
    if row is None:
        raise UnknownJurisdiction(
            "a jurisdiction is not a code of the law's table", extra={"rulesVersion": law.version}
        )
    return row


def decide(
    law: LawTable,
    call: Call,
    evidence: Sequence[Evidence],
    revocations: Sequence[Revocation],
    policy: QueuePolicy,
    use: Use,
    clocks_differ: timedelta = timedelta(0),
) -> Verdict:
    """Say whether the call may be recorded, or its recording used, on the evidence given. The strictest rule wins.

    `clocks_differ`: how far apart the clocks may be that evidence and revocations were dated by.
    """
    rows = rows_for(law, call.parties)
    deciding = _strictest(rows)
    rules = tuple(_applied(row, row is deciding) for row in rows)
    if use is Use.record and not policy.recording_on:
        return Verdict(Outcome.recording_off, rules, (), ("recording-off",), ())
    standing = [item for item in evidence if not _is_revoked(item, revocations, clocks_differ)]
    if not _renewed({revocation.party_id for revocation in revocations}, standing):
        return Verdict(Outcome.revoked, rules, (), ("consent-revoked",), ())
    if deciding.one_party:
        return _one_party(rules, standing)
    return _all_party(rows, rules, call, standing, policy)


def _strictest(rows: Sequence[LawRow]) -> LawRow:
    # All-party before one-party; among all-party rows one where even an announcement does not suffice.
    return min(rows, key=lambda row: (row.one_party, row.announcement_suffices, row.jurisdiction == FEDERAL))


def _applied(row: LawRow, deciding: bool) -> AppliedRule:
    return AppliedRule(
        jurisdiction=row.jurisdiction,
        one_party=row.one_party,
        engine_rule=row.engine_rule,
        statute=row.statute,
        confidence=row.confidence,
        deciding=deciding,
    )


def _is_revoked(item: Evidence, revocations: Sequence[Revocation], clocks_differ: timedelta) -> bool:
    """Say whether the party took it back, afterwards or in the same instant.

    Dates closer than clocks may differ do not tell which came first: there, what was taken down last came last.
    """
    return any(
        revocation.revoked_at >= item.given_at
        or (
            revocation.revoked_at + clocks_differ >= item.given_at
            # Ids are UUIDv7: they sort in the order in which they were given.
            and revocation.revocation_id > item.evidence_id
        )
        for revocation in revocations
        if revocation.party_id == item.party_id
    )


def _renewed(revokers: AbstractSet[str], standing: Sequence[Evidence]) -> bool:
    """Say whether everybody who revoked has expressly consented since: no announcement undoes a revocation."""
    return revokers <= {item.party_id for item in standing if item.kind in EXPRESS_EVIDENCE}


def _one_party(rules: tuple[AppliedRule, ...], evidence: Sequence[Evidence]) -> Verdict:
    # The organisation is a party and consents by its own policy; announcing is still advised.
    announced = [item for item in evidence if item.kind is EvidenceKind.announcement]
    reasons = ("one-party-organisation-consents",) + (() if announced else ("announcement-advised",))
    return Verdict(Outcome.permit, rules, (), reasons, tuple(item.evidence_id for item in evidence))


def _all_party(
    rows: Sequence[LawRow],
    rules: tuple[AppliedRule, ...],
    call: Call,
    evidence: Sequence[Evidence],
    policy: QueuePolicy,
) -> Verdict:
    strict_rows = [row for row in rows if not row.one_party]
    implied = policy.implied_consent and all(row.announcement_suffices for row in strict_rows)
    accepted = EXPRESS_EVIDENCE | ({EvidenceKind.announcement} if implied else frozenset())
    missing: list[MissingEvidence] = []
    used: list[str] = []
    # The organisation consents by its own policy; everybody else on the line has to have shown it.
    for party in (party for party in call.parties if party.role is not PartyRole.organisation):
        shown = [item for item in evidence if item.party_id == party.party_id and item.kind in accepted]
        used.extend(item.evidence_id for item in shown)
        if not shown:
            missing.append(MissingEvidence(party.party_id, tuple(sorted(accepted))))
    if missing:
        reason = "all-party-consent-missing" if not implied else "all-party-announcement-or-consent-missing"
        return Verdict(Outcome.evidence_missing, rules, tuple(missing), (reason,), ())
    express = all(
        any(item.party_id == party.party_id and item.kind in EXPRESS_EVIDENCE for item in evidence)
        for party in call.parties
        if party.role is not PartyRole.organisation
    )
    reason = "all-party-express-evidence" if express else "all-party-announcement-implied"
    return Verdict(Outcome.permit, rules, (), (reason,), tuple(used))
