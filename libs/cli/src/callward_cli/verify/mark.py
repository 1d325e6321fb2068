"""Checks control marks: what key-management signed about a call, and that it is on record."""

import base64
import json
from collections.abc import Mapping
from typing import Any

from callward_cli.verify.keys import PublicKeys
from callward_cli.verify.receipt import against_proof, json_object
from callward_cli.verify.report import Report
from callward_crypto import jws

TYP = "callward-mark+jws"
DOCUMENT_TYPE = "mark"


def is_mark(token: str) -> bool:
    """Return whether a token says of itself that it is a mark. Nothing is checked by it."""
    header = token.partition(".")[0]
    try:
        document = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, RecursionError):
        return False
    return isinstance(document, dict) and document.get("typ") == TYP


def verify_mark(token: str, keys: PublicKeys, proof: tuple[Mapping[str, Any], Report] | None) -> Report:
    """Check a mark's signature, and against `proof` (an event's proof and its own report) that it is on record."""
    report = Report("control mark")
    try:
        claims = json_object(jws.verify(token, TYP, keys.of(DOCUMENT_TYPE)))
    except (jws.JwsError, ValueError) as error:
        report.fails("signature", str(error))
        return report
    report.holds("signature", "signed with a key for marks, and for nothing else")
    report.facts = claims
    if proof is None:
        # A mark that did not fit the others was signed perhaps, and is on record nowhere.
        report.unchecked.append("that the mark is on record: give its event's proof with --proof")
    else:
        against_proof(report, token, claims, proof, "mark")
    report.unchecked.append("that the signing key was not revoked after the mark was made")
    return report
