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


def verify_receipt(token: str, keys: PublicKeys, proof: tuple[Mapping[str, Any], Report] | None) -> Report:
    """Check a receipt's signature, and against `proof` (an event's proof and its own report) that it is on record."""
    report = Report("receipt")
    try:
        payload = jws.verify(token, TYP, keys.of(DOCUMENT_TYPE))
        claims = _object(payload)
    except (jws.JwsError, ValueError) as error:
        report.fails("signature", str(error))
        return report
    report.holds("signature", "signed with a key for receipts, and for nothing else")
    report.facts = claims
    if proof is None:
        report.unchecked.append("that the receipt is on record: give its event's proof with --proof")
    else:
        _against_proof(report, token, claims, *proof)
    report.unchecked.append("that the signing key was not revoked after the receipt was issued")
    return report


def _against_proof(
    report: Report, token: str, claims: Mapping[str, Any], proof: Mapping[str, Any], of_proof: Report
) -> None:
    report.checks.extend(of_proof.checks)
    try:
        event = _object(str(proof.get("event", "")))
        recorded = event["unmapped"]["callward"].get("receipt_sha256")
        uid = event["metadata"]["uid"]
    except (ValueError, KeyError, TypeError, AttributeError):
        report.fails("same event", "the proof's event cannot be read")
        return
    named = uid == claims.get("event_id")
    report.check("same event", "the proof is for the event that the receipt names", holds=named)
    digest = hashlib.sha256(token.encode()).hexdigest()
    report.check("same receipt", "the event holds this receipt's hash", holds=recorded == digest)


def _object(text: str | bytes) -> dict[str, Any]:
    """Return a JSON object. Raises ValueError for anything else, also for what is nested too deeply."""
    try:
        document = json.loads(text)
    except RecursionError as error:
        raise ValueError("the document is nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("the document is no JSON object")
    return document
