"""Checks what came back: the receipt's signature, and that it speaks of exactly what was sent."""

import asyncio
import base64
import binascii
import hashlib
import time
from typing import Any, Final

from callward_cli.upload.door import Door
from callward_cli.upload.errors import Interrupted, Refused
from callward_cli.upload.state import Remembered
from callward_cli.verify.audit import verify_event_proof
from callward_cli.verify.keys import PublicKeys
from callward_cli.verify.receipt import verify_receipt
from callward_cli.verify.report import Report

#: A proof follows within seconds, at the next checkpoint.
PROOF_WITHIN: Final = 60.0
PROOF_EVERY: Final = 0.5
KEYS_PATH: Final = "/.well-known/jwks.json"


def check_receipt(upload: Remembered, keys: PublicKeys, proof: dict[str, Any] | None = None) -> Report:
    """Check a complete upload's receipt against what was sent. `proof`: the inclusion proof of its event."""
    answer = upload.answer or {}
    receipt = answer.get("receipt")
    of_event = None if proof is None else (proof, verify_event_proof(proof, keys))
    report = verify_receipt(receipt if isinstance(receipt, str) else "", keys, of_event)
    claims = report.facts
    if not claims:
        return report
    named = claims.get("recording_id") == answer.get("recordingId") == upload.upload_id
    report.check("same recording", f"the receipt is for the upload {upload.upload_id}", holds=named)
    of_call = claims.get("call_id") == upload.call_id
    report.check("same call", f"the receipt is for the call {upload.call_id}", holds=of_call)
    same_state = claims.get("state") == answer.get("state")
    report.check(
        "same state", f"the receipt says {claims.get('state')}, as the answer does", holds=same_state
    )
    _check_manifest(report, claims, answer)
    _check_sender(report, claims, answer, upload.digest)
    _check_size(report, answer, upload.size)
    return report


async def fetch_proof(door: Door, recording_id: str) -> dict[str, Any] | None:
    """Return the inclusion proof of a recording's receipt, waiting for the checkpoint that covers it."""
    deadline = time.monotonic() + PROOF_WITHIN
    while True:
        try:
            return await door.read("/v1/receipts/{}/proof", (recording_id,))
        except (Interrupted, Refused) as error:
            to_come = isinstance(error, Interrupted) or error.kind == "proof-not-yet"
            if not to_come or time.monotonic() >= deadline:
                return None
        await asyncio.sleep(PROOF_EVERY)


def _check_manifest(report: Report, claims: dict[str, Any], answer: dict[str, Any]) -> None:
    stated = answer.get("manifestSha256")
    if stated is None:
        report.unchecked.append("the manifest's hash: the first answer was lost")
        return
    same = _bytes(stated).hex() == claims.get("manifest_sha256")
    report.check("same manifest", "the receipt and the answer name one manifest", holds=same)


def _check_sender(report: Report, claims: dict[str, Any], answer: dict[str, Any], digest: str | None) -> None:
    """SHA-256(r ‖ digest) binds the sender's bytes without publishing their hash."""
    nonce, committed = answer.get("receiptCommitmentNonce"), claims.get("sender_commitment_sha256")
    if digest is None or (nonce is None and committed is None and "manifestSha256" in answer):
        # Standard input has no digest before its end, so that there was nothing to commit to.
        if digest is None:
            report.unchecked.append("that the receipt commits to these bytes: no digest was known beforehand")
            return
        report.fails("sender's bytes", "the receipt commits to no digest, although one was sent")
        return
    if nonce is None:
        report.unchecked.append("that the receipt commits to these bytes: the first answer was lost")
        return
    made = hashlib.sha256(_bytes(nonce) + bytes.fromhex(digest)).hexdigest()
    report.check(
        "sender's bytes", "the receipt commits to the SHA-256 of what was sent", holds=made == committed
    )


def _check_size(report: Report, answer: dict[str, Any], size: int | None) -> None:
    media = answer.get("media")
    if size is not None and isinstance(media, dict) and "size" in media:
        report.check("same size", f"{size} bytes were taken in", holds=media["size"] == size)


def _bytes(text: object) -> bytes:
    try:
        padded = str(text) + "=" * (-len(str(text)) % 4)
        return base64.b64decode(padded, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
