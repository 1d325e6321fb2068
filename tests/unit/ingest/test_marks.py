"""Legs and control marks: what is judged, signed and put on record, and what uploads come to know of it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from callward_common.errors import Unavailable
from callward_ingest.app.marks_evidence import Audible
from callward_ingest.domain.calls import Evidence, EvidenceKind
from callward_ingest.domain.errors import (
    CallLimitReached,
    CallNotFound,
    DateBeforeCall,
    DateInFuture,
    EvidenceSilenced,
    IdempotencyKeyReused,
    LegExists,
    LegNotFound,
    MarkOutOfOrder,
    MaskTooLong,
    UnknownParty,
)
from callward_ingest.domain.events import ControlMarkRecorded
from callward_ingest.domain.marks_late import KeptSound
from tests.support.clock import START
from tests.unit.ingest.marks_scene import CALL, Scene
from tests.unit.ingest.scene import TENANT

OTHER = "another-hospital"


@pytest.fixture
def scene() -> Scene:
    return Scene()


async def test_a_mark_is_answered_with_its_signed_statement_and_is_on_record(scene: Scene) -> None:
    await scene.leg()
    body = (await scene.mark("mask", 0.000_001, leg_id="a")).body
    statement = scene.signer.statements[0]
    assert body == {
        "callId": CALL,
        "markId": statement.mark_id,
        "kind": "mask",
        "legId": "a",
        "reason": "card-data",
        "at": "2026-11-24T09:00:00.000001Z",
        "until": None,
        "receivedAt": "2026-11-24T09:00:00.000000Z",
        "eventId": statement.event_id,
        "statement": f"mark.{statement.mark_id}.mask",
        "position": 1,
        "keptRecordings": [],
        "countsAsEvidence": False,
        "evidencePath": None,
    }
    event, event_id = scene.units.rows(TENANT).events[-1]
    assert event_id == statement.event_id
    assert isinstance(event, ControlMarkRecorded)
    assert (event.kind, event.leg_id, event.reason, event.call_id) == ("mask", "a", "card-data", CALL)
    mark = scene.units.rows(TENANT).marked.marks[CALL][0]
    assert (mark.statement, mark.signed.sha256) == (statement, event.statement_sha256)


async def test_an_announcement_is_no_evidence_and_the_answer_says_where_that_goes(scene: Scene) -> None:
    body = (await scene.mark("announcement-played")).body
    assert (body["countsAsEvidence"], body["evidencePath"]) == (False, f"/v1/calls/{CALL}/evidence")


async def test_the_same_key_gives_the_same_mark_and_no_second_one(scene: Scene) -> None:
    first = await scene.mark("mask", key="once")
    again = await scene.mark("mask", key="once")
    assert (again.body, again.replayed) == (first.body, True)
    assert len(scene.stored) == len(scene.events) == 1
    with pytest.raises(IdempotencyKeyReused):
        await scene.mark("pause", key="once")


async def test_what_does_not_fit_is_refused_and_leaves_nothing(scene: Scene) -> None:
    cases: list[tuple[type[Exception], str, float, dict[str, Any]]] = [
        (DateInFuture, "mask", 301, {}),
        (DateBeforeCall, "mask", -601, {}),
        (LegNotFound, "mask", 0, {"leg_id": "nobody"}),
        (MarkOutOfOrder, "unmask", 0, {}),
        (MaskTooLong, "mask", 0, {"until": START + timedelta(minutes=16)}),
    ]
    for error, kind, second, changes in cases:
        with pytest.raises(error):
            await scene.mark(kind, second, **changes)
    with pytest.raises(CallNotFound):
        await scene.mark("mask", tenant=OTHER)
    assert not scene.signer.statements, "nothing is signed that does not fit"
    assert not scene.stored
    assert not scene.events


async def test_a_mark_at_the_border_of_its_time_is_taken(scene: Scene) -> None:
    await scene.mark("mask", -600)
    await scene.mark("unmask", 300)
    await scene.mark("mask", 0, until=START + timedelta(minutes=15))
    assert len(scene.stored) == 3


async def test_what_was_signed_and_then_lost_a_race_is_not_on_record(scene: Scene) -> None:
    await scene.mark("mask")
    sign = scene.signer.sign_mark

    async def slowly(tenant: str, statement: Any) -> Any:
        signed = await sign(tenant, statement)
        scene.signer.sign_mark = sign  # type: ignore[method-assign]
        await scene.mark("unmask", 5)
        return signed

    scene.signer.sign_mark = slowly  # type: ignore[method-assign]
    with pytest.raises(MarkOutOfOrder):
        await scene.mark("unmask", 4)
    assert [mark.kind.value for mark in scene.stored] == ["mask", "unmask"]
    assert scene.stored[-1].at == START + timedelta(seconds=5)


async def test_without_a_signature_there_is_no_mark(scene: Scene) -> None:
    scene.signer.failing = Unavailable("key-management does not answer")
    with pytest.raises(Unavailable):
        await scene.mark("mask", key="once")
    assert not scene.stored
    scene.signer.failing = None
    assert not (await scene.mark("mask", key="once")).replayed


async def test_marks_are_paged_in_the_order_in_which_they_came(scene: Scene) -> None:
    for second in (5, 1, 3):
        await scene.mark("transfer", second)
    first, following = await scene.marks.page(TENANT, CALL, after=0, limit=2)
    rest, end = await scene.marks.page(TENANT, CALL, after=following or 0, limit=2)
    assert (following, end) == (2, None)
    assert [mark["at"][17:19] for mark in (*first, *rest)] == ["05", "01", "03"]  # type: ignore[index,call-overload]
    with pytest.raises(CallNotFound):
        await scene.marks.page(OTHER, CALL, after=0, limit=2)


async def test_a_call_has_so_many_marks_and_legs() -> None:
    scene = Scene(max_marks=1, max_legs=1)
    await scene.mark("hold")
    await scene.leg("a")
    for refused in (scene.mark("unhold", 1), scene.leg("b")):
        with pytest.raises(CallLimitReached) as error:
            await refused
        assert error.value.extra["limit"] == 1
    assert not (await scene.leg("a")).replayed, "the same leg again is no other leg"


async def test_legs_are_on_record_once_and_never_change(scene: Scene) -> None:
    first = (await scene.leg("a", key="once")).body
    assert first == {
        "callId": CALL,
        "legId": "a",
        "channel": 0,
        "startedAt": "2026-11-24T08:51:00.000Z",
        "recordedAt": "2026-11-24T09:00:00.000Z",
        "partyIds": ["agent"],
    }
    scene.clock.advance(timedelta(seconds=9))
    assert (await scene.leg("a")).body == first
    assert (await scene.leg("a", key="once")).replayed
    named = (await scene.leg(None)).body
    assert named["legId"] != "a"
    assert [leg["legId"] for leg in await scene.legs.all(TENANT, CALL)] == ["a", named["legId"]]  # type: ignore[index,call-overload]
    changes: list[tuple[type[Exception], dict[str, Any]]] = [
        (LegExists, {"channel": 1}),
        (LegExists, {"party_ids": ()}),
        (LegExists, {"started_at": START}),
        (UnknownParty, {"party_ids": ("agent", "stranger")}),
        (DateBeforeCall, {"started_at": START - timedelta(minutes=11)}),
        (DateInFuture, {"started_at": START + timedelta(minutes=6)}),
    ]
    for error, change in changes:
        with pytest.raises(error):
            await scene.leg("a", **change)
    with pytest.raises(CallNotFound):
        await scene.legs.all(OTHER, CALL)


async def test_recordings_that_were_sealed_before_are_named_on_record_and_in_the_answer(
    scene: Scene,
) -> None:
    kept = KeptSound("r-1", None, START - timedelta(minutes=5), timedelta(minutes=4))
    scene.units.rows(TENANT).marked.kept[CALL] = [kept]
    assert (await scene.mark("mask", -120)).body["keptRecordings"] == ["r-1"]
    assert scene.events[-1].kept_recordings == ("r-1",)
    assert (await scene.mark("unmask", 0)).body["keptRecordings"] == []


async def test_spoken_evidence_and_silence_keep_out_of_each_others_way(scene: Scene) -> None:
    audible = Audible(scene.units, scene.limits.max_mask)
    said = Evidence(EvidenceKind.verbal_yes, "patient", START - timedelta(seconds=30))
    await audible.demand(TENANT, CALL, said)
    async with scene.units.begin(TENANT) as unit:
        await audible.note(unit, CALL, "evidence-1", said)
        await audible.note(unit, CALL, "evidence-2", replace(said, kind=EvidenceKind.written_form))
    with pytest.raises(EvidenceSilenced):
        await scene.mark("pause", -40)
    await scene.mark("pause", -20)
    late = replace(said, kind=EvidenceKind.announcement, given_at=START - timedelta(seconds=10))
    with pytest.raises(EvidenceSilenced):
        await audible.demand(TENANT, CALL, late)
    await audible.demand(TENANT, CALL, replace(late, kind=EvidenceKind.written_form))
