"""The key of a revision of a call's metadata: issued, sealed and opened as the call's own, by the same right."""

import pytest

from callward.keys.v1 import data_key_pb2, events_pb2
from callward.keys.v1 import pseudonymiser_service_pb2 as pseudonymiser_pb
from callward_common.errors import CallwardError
from callward_common.ids import new_id
from tests.integration.keys.scene import CALL, MANIFEST, TENANT, Scene, opening, seal

REVISION = data_key_pb2.SUBJECT_KIND_CALL_REVISION
METADATA = data_key_pb2.Subkeys(metadata=True)


async def test_a_revision_is_issued_sealed_and_opened(scene: Scene) -> None:
    revision = new_id()
    issued = await scene.issue(revision, subject_kind=REVISION, subkeys=METADATA)
    with pytest.raises(CallwardError, match="not sealed"):
        await scene.opener.OpenDataKey(opening(revision, scene.token(), subject_kind=REVISION, metadata=True))
    await scene.issuer.SealDataKey(seal(revision, subject_kind=REVISION))
    lease = await scene.opener.OpenDataKey(
        opening(revision, scene.token(), subject_kind=REVISION, metadata=True)
    )
    assert (lease.subkey, lease.manifest_sha256) == (issued.subkeys[0].key, MANIFEST)
    kinds = [
        message.subject_kind
        for message, _, _ in await scene.events()
        if isinstance(message, (events_pb2.KeyIssued, events_pb2.KeySealed, events_pb2.KeyOpened))
    ]
    assert kinds == [REVISION] * 3


async def test_the_same_right_is_asked_for(scene: Scene) -> None:
    revision = new_id()
    await scene.issue(revision, subject_kind=REVISION, subkeys=METADATA)
    await scene.issuer.SealDataKey(seal(revision, subject_kind=REVISION))
    single = scene.token(amr=["pwd"])
    for token, kind, expected in (
        (single, REVISION, "mfa-required"),
        ("a.b.c", REVISION, "token-invalid"),
        (scene.token(), CALL, "key-not-found"),
    ):
        with pytest.raises(CallwardError) as refused:
            await scene.opener.OpenDataKey(opening(revision, token, subject_kind=kind, metadata=True))
        assert refused.value.type == expected


async def test_references_have_pseudonyms_of_their_own_kind(scene: Scene) -> None:
    made = {
        kind: (
            await scene.pseudonymiser.Pseudonymise(
                pseudonymiser_pb.PseudonymiseRequest(
                    tenant_id=TENANT, quarter="2026Q4", kind=kind, values=["MRN-1", "mrn-1"]
                )
            )
        ).pseudonyms
        for kind in (
            pseudonymiser_pb.IDENTIFIER_KIND_PATIENT,
            pseudonymiser_pb.IDENTIFIER_KIND_EXTERNAL_REFERENCE,
        )
    }
    patient, external = made.values()
    assert patient[0] == patient[1], "cases do not differ"
    assert external[0] != external[1], "cases differ"
    assert patient[0] not in external
