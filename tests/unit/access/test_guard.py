"""Every refusal is on record before the answer; without audit nothing is opened."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from callward_access.domain.errors import (
    AuditUnavailable,
    ConsentForbids,
    IntegrityFailure,
    NotPlayable,
    PolicyForbids,
    PurposeRequired,
    RecordingNotFound,
    UnknownPurpose,
)
from callward_access.domain.model import Recording
from callward_access.ports import Denied, Granted, Listed, Person
from callward_common.errors import CallwardError, Unavailable
from callward_common.identity import ANONYMOUS
from callward_common.ids import new_id
from callward_common.tokens import TokenInvalid
from tests.unit.access.scene import UNKNOWN_ID, Scene, person
from tests.unit.access.sealing import noise, seal

Attempt = Callable[[Scene, Person, str, str | None], Awaitable[object]]


async def listen(scene: Scene, who: Person, recording_id: str, purpose: str | None) -> object:
    return await scene.listening.open(who, recording_id, purpose)


async def view(scene: Scene, who: Person, recording_id: str, purpose: str | None) -> object:
    return await scene.app.view(who, recording_id, purpose)


async def download(scene: Scene, who: Person, recording_id: str, purpose: str | None) -> object:
    await scene.app.refuse_download(who, recording_id, purpose)
    return None


async def show(scene: Scene, who: Person, recording_id: str, purpose: str | None) -> object:
    return await scene.app.show(who, recording_id)


ACTS: dict[str, Attempt] = {"listen": listen, "view": view, "download": download, "list": show}


def prepared(**changes: str) -> tuple[Scene, Recording]:
    scene = Scene()
    return scene, scene.add(seal(scene.objects, noise(1000), **changes))  # type: ignore[arg-type]


async def refusal(attempt: Awaitable[object], error: type[CallwardError]) -> CallwardError:
    with pytest.raises(error) as caught:
        await attempt
    assert type(caught.value) is error
    return caught.value


def demand_one_denial(
    scene: Scene, action: str, error: CallwardError, recording_id: str, purpose: str
) -> Denied:
    assert len(scene.units.committed) == 1
    (denial,) = scene.denials()
    assert (denial.act, denial.reason) == (action, error.type)
    assert (denial.recording_id, denial.purpose) == (recording_id, purpose)
    assert scene.keys.opened_at == []
    return denial


@pytest.mark.parametrize("act", ["listen", "view", "download"])
@pytest.mark.parametrize(
    ("purpose", "error"), [(None, PurposeRequired), ("", PurposeRequired), ("NOSINESS", UnknownPurpose)]
)
async def test_without_a_known_purpose(act: str, purpose: str | None, error: type[CallwardError]) -> None:
    scene, recording = prepared()
    recording_id = recording.summary.recording_id
    raised = await refusal(ACTS[act](scene, person(), recording_id, purpose), error)
    demand_one_denial(scene, act, raised, recording_id, "")


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("recording_id", [UNKNOWN_ID])
async def test_a_recording_that_does_not_exist(act: str, recording_id: str) -> None:
    scene, _ = prepared()
    raised = await refusal(ACTS[act](scene, person(), recording_id, "HOPERAT"), RecordingNotFound)
    demand_one_denial(scene, act, raised, recording_id, "")


@pytest.mark.parametrize("act", sorted(ACTS))
@pytest.mark.parametrize("text", ["+15125550199", "../../etc", "", "x" * 5000, UNKNOWN_ID.upper()])
async def test_what_is_no_id_is_not_found_and_not_repeated_in_the_record(act: str, text: str) -> None:
    scene, _ = prepared()
    raised = await refusal(ACTS[act](scene, person(), text, "HOPERAT"), RecordingNotFound)
    demand_one_denial(scene, act, raised, "", "")
    assert not text or text not in repr(scene.units.committed)


@pytest.mark.parametrize("act", sorted(ACTS))
async def test_without_the_role(act: str) -> None:
    scene, recording = prepared()
    recording_id = recording.summary.recording_id
    raised = await refusal(ACTS[act](scene, person(roles=("agent",)), recording_id, "HOPERAT"), PolicyForbids)
    named = ("", "") if act == "list" else (recording_id, "HOPERAT")
    demand_one_denial(scene, act, raised, *named)


@pytest.mark.parametrize("outcome", ["revoked", "evidence-missing", "recording-off", "unknown"])
async def test_without_consent(outcome: str) -> None:
    scene, recording = prepared()
    scene.consent.outcome = outcome
    recording_id = recording.summary.recording_id
    raised = await refusal(listen(scene, person(), recording_id, "HOPERAT"), ConsentForbids)
    denial = demand_one_denial(scene, "listen", raised, recording_id, "HOPERAT")
    assert denial.policies == ["forbid-media-without-consent"]
    assert raised.extra == {"outcome": outcome}


async def test_without_the_role_nobody_learns_what_the_patient_decided() -> None:
    scene, recording = prepared()
    scene.consent.outcome = "revoked"
    agent = person(roles=("agent",))
    raised = await refusal(listen(scene, agent, recording.summary.recording_id, "HOPERAT"), PolicyForbids)
    assert "outcome" not in raised.extra


async def test_in_quarantine() -> None:
    scene, recording = prepared(state="quarantined")
    recording_id = recording.summary.recording_id
    raised = await refusal(listen(scene, person(), recording_id, "HOPERAT"), PolicyForbids)
    denial = demand_one_denial(scene, "listen", raised, recording_id, "HOPERAT")
    assert denial.policies == ["forbid-media-in-quarantine"]


async def test_media_of_unknown_pace() -> None:
    scene = Scene()
    recording = scene.add(seal(scene.objects, noise(1000), pace=0))
    raised = await refusal(listen(scene, person(), recording.summary.recording_id, "TREAT"), NotPlayable)
    demand_one_denial(scene, "listen", raised, recording.summary.recording_id, "TREAT")


@pytest.mark.parametrize("act", ["listen", "view"])
@pytest.mark.parametrize("behind", [None, timedelta(seconds=30, microseconds=1), timedelta(days=1)])
async def test_audit_unknown_or_too_far_behind_opens_nothing(act: str, behind: timedelta | None) -> None:
    scene, recording = prepared()
    scene.freshness.answer = behind
    recording_id = recording.summary.recording_id
    raised = await refusal(ACTS[act](scene, person(), recording_id, "HOPERAT"), AuditUnavailable)
    assert (raised.http_status, raised.http_headers["Retry-After"]) == (503, "5")
    demand_one_denial(scene, act, raised, recording_id, "HOPERAT")
    assert scene.objects.read_ranges == []
    assert scene.units.sessions == {}


@pytest.mark.parametrize("act", ["listen", "view"])
async def test_audit_exactly_at_the_limit_opens(act: str) -> None:
    scene, recording = prepared()
    scene.freshness.answer = timedelta(seconds=30)
    await ACTS[act](scene, person(), recording.summary.recording_id, "HOPERAT")
    assert scene.denials() == []


async def test_downloads_are_refused_also_where_policies_would_permit_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, recording = prepared()
    raised = await refusal(download(scene, person(), recording.summary.recording_id, "TREAT"), PolicyForbids)
    demand_one_denial(scene, "download", raised, recording.summary.recording_id, "TREAT")
    scene, recording = prepared()
    granting = await_free_permit(scene)
    monkeypatch.setattr(scene.guard, "_policies", granting)
    raised = await refusal(download(scene, person(), recording.summary.recording_id, "TREAT"), PolicyForbids)
    demand_one_denial(scene, "download", raised, recording.summary.recording_id, "TREAT")


def await_free_permit(scene: Scene) -> object:
    from callward_access import policies
    from callward_access.cedar import CedarEngine

    permit = '@id("everything")\npermit (principal, action, resource);'
    return CedarEngine(policies.read("base.cedar") + permit, policies.read("callward.cedarschema"))


async def test_a_refusal_that_cannot_be_put_on_record_is_an_outage() -> None:
    scene, recording = prepared()
    scene.units.failing = Unavailable("The database does not answer.")
    with pytest.raises(Unavailable):
        await listen(scene, person(roles=()), recording.summary.recording_id, "HOPERAT")


@pytest.mark.parametrize("act", ["listen", "view"])
async def test_a_grant_that_cannot_be_put_on_record_opens_nothing(act: str) -> None:
    scene, recording = prepared()
    scene.units.failing = Unavailable("The database does not answer.")
    with pytest.raises(Unavailable):
        await ACTS[act](scene, person(), recording.summary.recording_id, "HOPERAT")
    assert scene.keys.opened_at == []


async def test_strangers_fill_the_record_only_so_fast() -> None:
    scene = Scene()
    error = TokenInvalid("The token is not valid here.")
    for _ in range(10):
        assert await scene.guard.refused_stranger("list", error) is error
    assert scene.units.committed == [("", Denied(ANONYMOUS, "list", "token-invalid"))] * 3
    scene.clock.advance(timedelta(seconds=60))
    await scene.guard.refused_stranger("list", error)
    assert len(scene.units.committed) == 4


async def test_another_tenants_recording_looks_like_none() -> None:
    scene, recording = prepared()
    stranger = person("olga", tenant="other-clinic")
    raised = await refusal(view(scene, stranger, recording.summary.recording_id, "TREAT"), RecordingNotFound)
    unknown = await refusal(view(scene, stranger, new_id(), "TREAT"), RecordingNotFound)
    assert (raised.detail, raised.extra) == (unknown.detail, unknown.extra)
    assert [tenant for tenant, _ in scene.units.committed] == ["other-clinic", "other-clinic"]


async def test_lists_are_on_record_with_their_count() -> None:
    scene, recording = prepared()
    page = await scene.app.list(person(), page_size=50, page_token="", queue="")
    assert page.recordings == [recording.summary]
    await scene.app.show(person(), recording.summary.recording_id)
    assert [event.count for event in scene.units.of(Listed)] == [1, 1]
    assert scene.units.of(Listed)[0].policies == ["supervisor-lists"]
    assert scene.keys.opened_at == []


async def test_a_view_opens_the_sealed_metadata_under_a_durable_grant() -> None:
    scene = Scene()
    recording = scene.add(seal(scene.objects, noise(10), metadata=b'{"telephone": "+15125550199"}'))
    _, metadata = await scene.app.view(person(), recording.summary.recording_id, "TREAT")
    assert metadata.document == {"telephone": "+15125550199"}
    (grant,) = scene.units.of(Granted)
    assert (grant.act, grant.purpose, grant.policies) == ("view", "TREAT", ["supervisor-views"])
    assert scene.keys.granted_before == [True]
    assert "5125550199" not in repr(scene.units.committed)


@pytest.mark.parametrize("metadata", [b"not json +15125550199", b"[1]", b"\xff\xfe", b""])
async def test_metadata_that_is_no_document_is_an_integrity_failure(metadata: bytes) -> None:
    scene = Scene()
    recording = scene.add(seal(scene.objects, noise(10), metadata=metadata))
    attempt = view(scene, person(), recording.summary.recording_id, "TREAT")
    raised = await refusal(attempt, IntegrityFailure)
    # Nothing of the plaintext hangs on the error, which may be logged.
    assert raised.__context__ is None or isinstance(raised.__context__, IntegrityFailure)
    assert [denial.reason for denial in scene.denials()] == ["integrity-failure"]
