"""What the unit tests ask for, with sensible values."""

import hashlib
from datetime import timedelta
from typing import Any

from callward_common.ids import new_id
from callward_keys.app.issuing import Issue, Issued
from callward_keys.app.opening import Opening
from callward_keys.domain.documents import ReceiptBasis, ReceiptPlan, ReceiptStatement
from callward_keys.domain.model import BucketGroup, Subject, SubjectKind, Subkeys
from tests.support.clock import START
from tests.unit.keys.fakes import INGEST, TENANT, World

SECRET = b"the secret of this upload"
MANIFEST = hashlib.sha256(b"manifest").digest()
GROUP = BucketGroup("medical-record-adult", "2033-11")
ORIGINAL = Subkeys(("original",), metadata=False)


def recording(subject_id: str | None = None) -> Subject:
    return Subject(TENANT, SubjectKind.recording, subject_id or new_id())


def issue(subject: Subject, **changes: Any) -> Issue:
    values: dict[str, Any] = {
        "subject": subject,
        "group": GROUP,
        "not_before": START + timedelta(days=7 * 365),
        "upload_secret_sha256": hashlib.sha256(SECRET).digest(),
        "subkeys": ORIGINAL,
    }
    return Issue(**(values | changes))


async def issued(world: World, subject: Subject, **changes: Any) -> Issued:
    return await world.issuing.issue(INGEST, issue(subject, **changes))


async def sealed(world: World) -> Subject:
    subject = recording()
    await issued(world, subject)
    await world.issuing.seal(INGEST, subject, SECRET, MANIFEST)
    return subject


def opening(subject: Subject, **changes: Any) -> Opening:
    values: dict[str, Any] = {
        "subject": subject,
        "person_token": "good",
        "rendition": "original",
        "purpose": "TREAT",
        "grant_event_id": new_id(),
    }
    return Opening(**(values | changes))


def statement(subject: Subject, key_id: str, **changes: Any) -> ReceiptStatement:
    values: dict[str, Any] = {
        "tenant_id": subject.tenant_id,
        "recording_id": subject.subject_id,
        "call_id": new_id(),
        "state": "sealed",
        "reasons": (),
        "manifest_sha256": MANIFEST,
        "key_id": key_id,
        "basis": ReceiptBasis(new_id(), "permit", "all_party__consent", "Cal. Penal Code § 632", "2026-11"),
        "plan": ReceiptPlan(
            "medical-record-adult",
            START + timedelta(days=2555),
            START + timedelta(days=2585),
            "Cal. Health & Safety Code § 123145",
            "policy/1+law/2026-11",
        ),
        "event_id": new_id(),
        "sender_commitment": b"",
        "sealed_at": START,
    }
    return ReceiptStatement(**(values | changes))
