"""The service through its door: who may call, what is refused, and what is on record of it."""

import asyncio
import hashlib
import json
import logging
from datetime import timedelta
from typing import Any

import pytest

from callward.audit.v1 import actor_pb2
from callward.keys.v1 import data_key_issuer_service_pb2_grpc as issuer_grpc
from callward.keys.v1 import data_key_opener_service_pb2_grpc as opener_grpc
from callward.keys.v1 import data_key_pb2, events_pb2
from callward.keys.v1 import pseudonymiser_service_pb2 as pseudonymiser_pb
from callward.keys.v1 import pseudonymiser_service_pb2_grpc as pseudonymiser_grpc
from callward.keys.v1 import signing_service_pb2 as signing_pb
from callward.keys.v1 import signing_service_pb2_grpc as signing_grpc
from callward.keys.v1 import webhook_secret_service_pb2 as webhook_pb
from callward.keys.v1 import webhook_secret_service_pb2_grpc as webhook_grpc
from callward_common.ids import new_id
from callward_crypto import jws
from callward_crypto.keys import COMMITMENT_LABEL, derive_subkey, rendition_label
from tests.integration.keys.scene import (
    CALL,
    MANIFEST,
    TENANT,
    Scene,
    abandon,
    issue,
    opening,
    receipt,
    refused,
    reissue,
    seal,
    timestamp,
)
from tests.support.tenants import ACCESS_AUDIENCE, INGEST_AUDIENCE, OTHER, SUSPENDED

COMPONENTS = {"consent", "ingest", "access-gateway", "audit", "retention", "operator", "key-management"}
#: Every method with the components that may call it.
METHODS: list[tuple[Any, str, Any, set[str]]] = [
    (issuer_grpc.DataKeyIssuerStub, "IssueDataKey", issue(), {"ingest"}),
    (issuer_grpc.DataKeyIssuerStub, "ReissueDataKey", reissue(new_id()), {"ingest"}),
    (issuer_grpc.DataKeyIssuerStub, "SealDataKey", seal(new_id()), {"ingest"}),
    (issuer_grpc.DataKeyIssuerStub, "AbandonDataKey", abandon(new_id()), {"ingest"}),
    (opener_grpc.DataKeyOpenerStub, "OpenDataKey", opening(new_id(), "t"), {"access-gateway"}),
    (
        pseudonymiser_grpc.PseudonymiserStub,
        "Pseudonymise",
        pseudonymiser_pb.PseudonymiseRequest(),
        {"ingest", "access-gateway"},
    ),
    (
        pseudonymiser_grpc.PseudonymiserStub,
        "GetFingerprintKey",
        pseudonymiser_pb.GetFingerprintKeyRequest(),
        {"ingest", "access-gateway"},
    ),
    (
        webhook_grpc.WebhookSecretsStub,
        "GetWebhookSecret",
        webhook_pb.GetWebhookSecretRequest(),
        {"ingest"},
    ),
    (signing_grpc.ReceiptSignerStub, "SignReceipt", receipt(new_id(), new_id()), {"ingest"}),
    (signing_grpc.MarkSignerStub, "SignMark", signing_pb.SignMarkRequest(), {"ingest"}),
    (signing_grpc.CheckpointSignerStub, "SignCheckpoint", signing_pb.SignCheckpointRequest(), {"audit"}),
    (
        signing_grpc.CheckpointSignerStub,
        "GetLastCheckpoint",
        signing_pb.GetLastCheckpointRequest(),
        {"audit"},
    ),
    (
        signing_grpc.SigningKeyDirectoryStub,
        "ListSigningKeys",
        signing_pb.ListSigningKeysRequest(),
        {"ingest", "audit", "access-gateway"},
    ),
]


@pytest.mark.parametrize(
    ("stub", "method", "request_", "allowed"), METHODS, ids=[each[1] for each in METHODS]
)
async def test_the_wrong_caller_is_refused(
    scene: Scene, stub: Any, method: str, request_: Any, allowed: set[str]
) -> None:
    for component in sorted(COMPONENTS - allowed):
        await refused(getattr(scene.stub(stub, component), method)(request_), "caller-not-allowed")
    assert await scene.events() == []


async def test_every_method_of_every_service_is_covered_above(scene: Scene) -> None:
    offered = {method.name for binding in scene.service.grpc for method in binding.descriptor.methods}
    assert offered == {each[1] for each in METHODS}


async def test_secrets_of_webhooks_are_the_same_each_time(scene: Scene) -> None:
    secrets = scene.stub(webhook_grpc.WebhookSecretsStub, "ingest")
    webhook = new_id()

    async def secret(tenant: str = TENANT, version: int = 1) -> bytes:
        wanted = webhook_pb.GetWebhookSecretRequest(tenant_id=tenant, webhook_id=webhook, version=version)
        given: bytes = (await secrets.GetWebhookSecret(wanted)).secret
        return given

    assert len(await secret()) == 32
    assert await secret() == await secret()
    assert len({await secret(), await secret(version=2), await secret(tenant=OTHER.tenant_id)}) == 3
    await refused(secret(tenant=SUSPENDED.tenant_id), "tenant-not-active")
    await refused(secret(version=0), "invalid-request")


async def test_from_issue_to_lease(scene: Scene) -> None:
    recording = new_id()
    issued = await scene.issue(recording)
    (subkey,) = issued.subkeys
    assert (subkey.name, subkey.metadata, len(subkey.key)) == ("original", False, 32)
    again = await scene.issuer.ReissueDataKey(reissue(recording))
    assert again.subkeys[0].key == subkey.key
    sealed = await scene.issuer.SealDataKey(seal(recording))
    assert sealed.key_id == issued.key_id
    wanted = opening(recording, scene.token())
    lease = await scene.opener.OpenDataKey(wanted)
    assert lease.subkey == subkey.key
    assert (lease.key_id, lease.manifest_sha256) == (issued.key_id, MANIFEST)
    assert lease.lease_expires_at == timestamp(timedelta(seconds=60))
    events = [message for message, tenant, enforced in await scene.events() if enforced and tenant == TENANT]
    assert [type(event).__name__ for event in events] == ["KeyIssued", "KeyIssued", "KeySealed", "KeyOpened"]
    opened = events[-1]
    assert isinstance(opened, events_pb2.KeyOpened)
    assert (opened.actor.kind, opened.actor.id) == (actor_pb2.ACTOR_KIND_PERSON, "nurse")
    assert (opened.subkey, opened.purpose, opened.grant_event_id) == (
        "original",
        "TREAT",
        wanted.grant_event_id,
    )


async def test_a_calls_metadata_is_opened_by_the_same_rules(scene: Scene) -> None:
    call = new_id()
    metadata = data_key_pb2.Subkeys(metadata=True)
    issued = await scene.issue(call, subject_kind=CALL, subkeys=metadata)
    assert (issued.subkeys[0].name, issued.subkeys[0].metadata) == ("metadata", True)
    await scene.issuer.SealDataKey(seal(call, subject_kind=CALL))
    lease = await scene.opener.OpenDataKey(opening(call, scene.token(), subject_kind=CALL, metadata=True))
    assert lease.subkey == issued.subkeys[0].key
    await refused(scene.opener.OpenDataKey(opening(call, scene.token())), "key-not-found")


async def test_the_wrap_object_holds_the_wrap_that_opens_to_the_committed_key(scene: Scene) -> None:
    recording = new_id()
    issued = await scene.sealed(recording)
    (stored,) = [each async for each in scene.wraps.versions("wraps/")]
    content = b"".join([chunk async for chunk in scene.wraps.read(stored.key, stored.version_id)])
    kept = json.loads(content)
    key = await scene.transit.unwrap(kept["transit_key"], recording.encode(), kept["wrap"])
    assert derive_subkey(key, COMMITMENT_LABEL) == issued.commitment == bytes.fromhex(kept["commitment"])
    assert derive_subkey(key, rendition_label("original")) == issued.subkeys[0].key


async def test_a_wrong_secret_is_refused_and_on_record(scene: Scene) -> None:
    recording = new_id()
    await scene.issue(recording)
    for call in (
        scene.issuer.ReissueDataKey(reissue(recording, upload_secret=b"wrong")),
        scene.issuer.SealDataKey(seal(recording, upload_secret=b"wrong")),
        scene.issuer.AbandonDataKey(abandon(recording, upload_secret=b"wrong")),
    ):
        await refused(call, "wrong-upload-secret")
        event, tenant = await scene.last_event()
        assert (event.reason, event.actor.id, event.subject_id) == (
            "wrong-upload-secret",
            "ingest",
            recording,
        )
        assert tenant == TENANT
    assert (await scene.issuer.SealDataKey(seal(recording))).key_id


async def test_a_late_seal_is_refused(scene: Scene) -> None:
    recording = new_id()
    issued = await scene.issue(recording)
    assert issued.open_until == timestamp(timedelta(hours=24))
    scene.clock.advance(timedelta(hours=24, seconds=1))
    await refused(scene.issuer.SealDataKey(seal(recording)), "key-expired")
    await refused(scene.issuer.ReissueDataKey(reissue(recording)), "key-expired")
    await refused(scene.opener.OpenDataKey(opening(recording, scene.token())), "key-not-sealed")


async def test_an_abandoned_key_is_opened_for_nobody(scene: Scene) -> None:
    recording = new_id()
    issued = await scene.issue(recording)
    first = await scene.issuer.AbandonDataKey(abandon(recording))
    again = await scene.issuer.AbandonDataKey(abandon(recording))
    assert first.key_id == again.key_id == issued.key_id
    await refused(scene.opener.OpenDataKey(opening(recording, scene.token())), "key-shredded")
    await refused(scene.issuer.ReissueDataKey(reissue(recording)), "key-shredded")
    await refused(scene.issuer.SealDataKey(seal(recording)), "key-shredded")
    await refused(scene.issuer.IssueDataKey(issue(recording)), "key-exists")


async def test_sealing_again_gives_the_same_answer_and_another_manifest_none(scene: Scene) -> None:
    recording = new_id()
    await scene.issue(recording)
    first = await scene.issuer.SealDataKey(seal(recording))
    scene.clock.advance(timedelta(minutes=1))
    assert await scene.issuer.SealDataKey(seal(recording)) == first
    await refused(scene.issuer.SealDataKey(seal(recording, manifest_sha256=bytes(32))), "manifest-conflict")
    lease = await scene.opener.OpenDataKey(opening(recording, scene.token()))
    assert lease.manifest_sha256 == MANIFEST


@pytest.mark.parametrize("tenant", [SUSPENDED.tenant_id, "nobody-at-all"])
async def test_no_key_for_a_tenant_that_is_not_active(scene: Scene, tenant: str) -> None:
    await refused(scene.issuer.IssueDataKey(issue(tenant_id=tenant)), "tenant-not-active")


async def test_another_tenants_recording_looks_as_if_there_were_none(scene: Scene) -> None:
    recording = new_id()
    await scene.sealed(recording)
    stranger = scene.others.token(ACCESS_AUDIENCE, "stranger", amr=["mfa"])
    answers = [
        await refused(scene.opener.OpenDataKey(request), "key-not-found")
        for request in (
            opening(recording, stranger),
            opening(recording, stranger, tenant_id=OTHER.tenant_id),
            opening(new_id(), stranger, tenant_id=OTHER.tenant_id),
            opening(recording, scene.token(), tenant_id=OTHER.tenant_id),
        )
    ]
    assert len({(answer.detail, answer.category, str(answer.extra)) for answer in answers}) == 1
    recorded = [
        (message.reason, tenant)
        for message, tenant, _ in await scene.events()
        if isinstance(message, events_pb2.KeyRefused)
    ]
    assert recorded == [
        ("tenant-mismatch", OTHER.tenant_id),
        ("key-not-found", OTHER.tenant_id),
        ("key-not-found", OTHER.tenant_id),
        ("tenant-mismatch", TENANT),
    ]


async def test_a_token_has_to_be_a_persons_valid_one_with_two_factors(scene: Scene) -> None:
    recording = new_id()
    await scene.sealed(recording)
    expired = scene.token()
    scene.clock.advance(timedelta(minutes=11))
    for token, slug in (
        (expired, "token-expired"),
        ("", "token-missing"),
        ("not.a.token", "token-invalid"),
        (scene.token(amr=["pwd"]), "mfa-required"),
        (scene.token(amr=None), "mfa-required"),
        (scene.people.token(INGEST_AUDIENCE, "nurse", amr=["mfa"]), "token-invalid"),
        (scene.machines.token(ACCESS_AUDIENCE, "robot", amr=["mfa"]), "token-invalid"),
    ):
        await refused(scene.opener.OpenDataKey(opening(recording, token)), slug)
        event, _ = await scene.last_event()
        assert (type(event), event.reason) == (events_pb2.KeyRefused, slug)
    assert (await scene.opener.OpenDataKey(opening(recording, scene.token()))).subkey


async def test_an_unknown_purpose_is_refused(scene: Scene) -> None:
    recording = new_id()
    await scene.sealed(recording)
    await refused(
        scene.opener.OpenDataKey(opening(recording, scene.token(), purpose="SNOOP")), "unknown-purpose"
    )


async def test_what_is_malformed_is_refused_and_leaves_nothing(scene: Scene) -> None:
    recording = new_id()
    for call in (
        scene.issuer.IssueDataKey(issue("not-an-id")),
        scene.issuer.IssueDataKey(issue(subject_kind=0)),
        scene.issuer.IssueDataKey(issue(subject_kind=99)),
        scene.issuer.IssueDataKey(issue(tenant_id="a/b")),
        scene.issuer.IssueDataKey(issue(retention_class="Adult Records")),
        scene.issuer.IssueDataKey(issue(expiry_month="2033-13")),
        scene.issuer.IssueDataKey(issue(upload_secret_sha256=b"short")),
        scene.issuer.IssueDataKey(issue(not_before=None)),
        scene.issuer.IssueDataKey(issue(subkeys=data_key_pb2.Subkeys(renditions=["../x"]))),
        scene.issuer.SealDataKey(seal(recording, manifest_sha256=b"short")),
        scene.issuer.AbandonDataKey(abandon(recording, reason="Not A Code")),
        scene.opener.OpenDataKey(opening(recording, "t", grant_event_id="x")),
        scene.opener.OpenDataKey(opening(recording, "t", metadata=False)),
        scene.receipts.SignReceipt(receipt(recording, new_id(), sealed_at=None)),
        scene.receipts.SignReceipt(receipt(recording, new_id(), state="lost")),
    ):
        await refused(call, "invalid-request")
    assert await scene.events() == []


async def test_pseudonyms_through_the_door(scene: Scene) -> None:
    request = pseudonymiser_pb.PseudonymiseRequest(
        tenant_id=TENANT,
        quarter="2026Q4",
        kind=pseudonymiser_pb.IDENTIFIER_KIND_TELEPHONE,
        values=["+14155550123", "+1 415 555 0123", "+14155550124"],
    )
    made = (await scene.pseudonymiser.Pseudonymise(request)).pseudonyms
    assert made[0] == made[1] != made[2]
    assert (await scene.pseudonymiser.Pseudonymise(request)).pseudonyms == made
    request.kind = pseudonymiser_pb.IDENTIFIER_KIND_UNSPECIFIED
    await refused(scene.pseudonymiser.Pseudonymise(request), "invalid-request")
    wanted = pseudonymiser_pb.GetFingerprintKeyRequest(tenant_id=TENANT, date="2026-11-24")
    key = (await scene.pseudonymiser.GetFingerprintKey(wanted)).key
    assert len(key) == 32
    assert (await scene.pseudonymiser.GetFingerprintKey(wanted)).key == key


async def test_a_receipt_verifies_with_the_directorys_keys_and_is_on_record(scene: Scene) -> None:
    recording = new_id()
    issued = await scene.sealed(recording)
    signed = await scene.receipts.SignReceipt(receipt(recording, issued.key_id))
    listed = (await scene.directory.ListSigningKeys(signing_pb.ListSigningKeysRequest())).keys
    keys = {key.key_id: key.public_key for key in listed if key.document_type == "receipt"}
    document = json.loads(jws.verify(signed.jws, "callward-receipt+jwt", keys))
    assert (document["recording_id"], document["manifest_sha256"]) == (recording, MANIFEST.hex())
    assert signed.sha256 == hashlib.sha256(signed.jws.encode()).digest()
    event, tenant = await scene.last_event()
    assert (event.document_type, event.subject_id, event.sha256) == ("receipt", recording, signed.sha256)
    assert tenant == TENANT
    assert (await scene.receipts.SignReceipt(receipt(recording, issued.key_id))).jws


async def test_a_receipt_for_another_manifest_or_key_is_refused(scene: Scene) -> None:
    recording, still_open = new_id(), new_id()
    issued = await scene.sealed(recording)
    unsealed = await scene.issue(still_open)
    events = len(await scene.events())
    for request in (
        receipt(recording, issued.key_id, manifest_sha256=bytes(32)),
        receipt(recording, new_id()),
        receipt(new_id(), issued.key_id),
        receipt(recording, issued.key_id, tenant_id=OTHER.tenant_id),
        receipt(still_open, unsealed.key_id),
    ):
        await refused(scene.receipts.SignReceipt(request), "manifest-mismatch")
    assert len(await scene.events()) == events


async def test_signing_keys_are_listed_newest_first_in_pages(scene: Scene) -> None:
    await scene.directory.ListSigningKeys(signing_pb.ListSigningKeysRequest())
    for _ in range(3):
        scene.clock.advance(timedelta(minutes=2))
        await scene.transit.rotate_signing_key("signing.checkpoint")
    everything = (await scene.directory.ListSigningKeys(signing_pb.ListSigningKeysRequest())).keys
    assert len(everything) == 6
    assert [key.created_at.seconds for key in everything] == sorted(
        (key.created_at.seconds for key in everything), reverse=True
    )
    found, token = [], ""
    while True:
        page = await scene.directory.ListSigningKeys(
            signing_pb.ListSigningKeysRequest(page_size=2, page_token=token)
        )
        found.extend(page.keys)
        token = page.next_page_token
        if not token:
            break
    assert found == list(everything)
    bad = signing_pb.ListSigningKeysRequest(page_token="A" * 43)
    await refused(scene.directory.ListSigningKeys(bad), "invalid-request")


async def test_no_key_no_token_and_no_secret_is_logged_or_in_an_event(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    recording, token = new_id(), scene.token()
    issued = await scene.sealed(recording)
    lease = await scene.opener.OpenDataKey(opening(recording, token))
    await refused(scene.opener.OpenDataKey(opening(recording, token, purpose="SNOOP")), "unknown-purpose")
    written = caplog.text.encode() + b"".join(
        message.SerializeToString() for message, _, _ in await scene.events()
    )
    for secret in (issued.subkeys[0].key, lease.subkey, token.encode(), b"the secret of this upload"):
        assert secret not in written
        assert secret.hex().encode() not in written
        assert repr(secret).encode() not in written


async def test_the_service_is_ready_and_learns_of_tenants_from_events(scene: Scene) -> None:
    for _, check in scene.service.ready:
        await check()
    assert [name for name, _ in scene.service.ready] == ["database", "transit"]
    stop = asyncio.Event()
    stop.set()
    for worker in (*scene.service.consumers, scene.service.background[0]):
        await asyncio.wait_for(worker.run(stop), 10)
