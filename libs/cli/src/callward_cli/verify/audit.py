"""Checks proofs of the audit log: an event's inclusion, and that a later tree extends an earlier one."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from callward_cli.exits import CommandError, Exit
from callward_cli.verify.keys import PublicKeys
from callward_cli.verify.report import Report
from callward_crypto.checkpoint import Checkpoint, NoteError, verify_note
from callward_crypto.merkle import ProofError, leaf_hash, verify_consistency, verify_inclusion

INCLUSION_FORMAT = "callward-audit-proof/1"
CONSISTENCY_FORMAT = "callward-consistency-proof/1"
DOCUMENT_TYPE = "checkpoint"
#: What no proof can show by itself: a log may show different trees to different readers.
ONE_LOG = "that this log is the one others see: compare checkpoints with other holders"


def verify_event_proof(document: Mapping[str, Any], keys: PublicKeys) -> Report:
    """Check that an event is in the log under a signed checkpoint (RFC 9162 section 2.1.3.2)."""
    report = Report("inclusion proof")
    event = _text(document, "event")
    index, size = _number(document, "leafIndex"), _number(document, "treeSize")
    report.facts = {
        "log": _text(document, "log"),
        "leafIndex": index,
        "treeSize": size,
        **_event_facts(event),
    }
    checkpoint = _checkpoint(
        report, "checkpoint", _text(document, "checkpoint"), _text(document, "origin"), keys
    )
    if checkpoint is not None:
        report.check(
            "tree size", "the proof is for the tree size that was signed", holds=checkpoint.size == size
        )
        try:
            proof = _hashes(document, "inclusionProof")
            verify_inclusion(leaf_hash(event.encode()), index, size, proof, checkpoint.root)
            report.holds("inclusion", "the event's exact bytes are the leaf that the proof leads from")
        except ProofError as error:
            report.fails("inclusion", str(error))
        except UnicodeEncodeError:
            report.fails("inclusion", "the event is no Unicode text")
    report.unchecked.append(ONE_LOG)
    return report


def verify_consistency_proof(document: Mapping[str, Any], keys: PublicKeys) -> Report:
    """Check that the log only grew between two signed checkpoints (RFC 9162 section 2.1.4.2)."""
    report = Report("consistency proof")
    origin = _text(document, "origin")
    old = _checkpoint(report, "earlier checkpoint", _text(document, "old"), origin, keys)
    new = _checkpoint(report, "later checkpoint", _text(document, "new"), origin, keys)
    if old is not None and new is not None:
        report.facts = {"origin": origin, "oldSize": old.size, "newSize": new.size}
        try:
            verify_consistency(old.size, old.root, new.size, new.root, _hashes(document, "consistencyProof"))
            report.holds("consistency", "the later tree extends the earlier one")
        except ProofError as error:
            report.fails("consistency", str(error))
    report.unchecked.append(ONE_LOG)
    return report


def _checkpoint(report: Report, name: str, note: str, origin: str, keys: PublicKeys) -> Checkpoint | None:
    reason = "no key for checkpoints is known"
    for key in keys.of(DOCUMENT_TYPE).values():
        try:
            checkpoint = verify_note(note, origin, key)
        except NoteError as error:
            reason = str(error)
            continue
        report.holds(name, f"signed for {origin} at {checkpoint.size} leaves")
        return checkpoint
    report.fails(name, reason)
    return None


def _event_facts(event: str) -> dict[str, Any]:
    try:
        document = json.loads(event)
        metadata = document["metadata"]
        return {
            "eventId": metadata["uid"],
            "event": metadata["event_code"],
            "time": metadata["original_time"],
        }
    except (ValueError, KeyError, TypeError, RecursionError):
        return {}


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise CommandError(f"the proof has no {name}", Exit.usage)
    return value


def _number(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    if not isinstance(value, int) or isinstance(value, bool):
        raise CommandError(f"the proof has no {name}", Exit.usage)
    return value


def _hashes(document: Mapping[str, Any], name: str) -> Sequence[bytes]:
    values = document.get(name)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise CommandError(f"the proof has no {name}", Exit.usage)
    try:
        return [base64.b64decode(value, validate=True) for value in values]
    except (binascii.Error, ValueError) as error:
        raise CommandError(f"a hash of {name} is not base64", Exit.usage) from error
