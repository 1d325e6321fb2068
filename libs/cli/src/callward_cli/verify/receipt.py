"""Checks receipts: what key-management signed about a recording, and that it is on record."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from callward_cli.verify.keys import PublicKeys
from callward_cli.verify.report import Report
from callward_crypto import jws

TYP = "callward-receipt+jwt"
DOCUMENT_TYPE = "receipt"
#: Where the event of a document holds its hash.
_HASHES = {"receipt": "receipt_sha256", "mark": "statement_sha256"}


def verify_receipt(token: str, keys: PublicKeys, proof: tuple[Mapping[str, Any], Report] | None) -> Report:
    """Check a receipt's signature, and against `proof` (an event's proof and its own report) that it is on record."""
    report = Report("receipt")
    try:
        payload = jws.verify(token, TYP, keys.of(DOCUMENT_TYPE))
        claims = json_object(payload)
    except (jws.JwsError, ValueError) as error:
        report.fails("signature", str(error))
        return report
    report.holds("signature", "signed with a key for receipts, and for nothing else")
    report.facts = claims
    if proof is None:
        report.unchecked.append("that the receipt is on record: give its event's proof with --proof")
    else:
        against_proof(report, token, claims, proof, "receipt")
    report.unchecked.append("that the signing key was not revoked after the receipt was issued")
    return report


def against_proof(
    report: Report,
    token: str,
    claims: Mapping[str, Any],
    proof: tuple[Mapping[str, Any], Report],
    noun: str,
) -> None:
    """Check that an event which is proved to be on record is the document's: a receipt's, or a mark's."""
    document, of_proof = proof
    report.checks.extend(of_proof.checks)
    try:
        event = json_object(str(document.get("event", "")))
        recorded = event["unmapped"]["callward"].get(_HASHES[noun])
        uid = event["metadata"]["uid"]
    except (ValueError, KeyError, TypeError, AttributeError):
        report.fails("same event", "the proof's event cannot be read")
        return
    named = uid == claims.get("event_id")
    report.check("same event", f"the proof is for the event that the {noun} names", holds=named)
    digest = hashlib.sha256(token.encode()).hexdigest()
    report.check(f"same {noun}", f"the event holds this {noun}'s hash", holds=recorded == digest)


def json_object(text: str | bytes) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError for anything else, also for what is nested too deeply."""
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("the document is no JSON object")
    return document
