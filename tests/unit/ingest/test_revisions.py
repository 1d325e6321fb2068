"""Late metadata: what is sealed, what is found by it, what is refused, and what is never overwritten."""

import dataclasses
import json
from typing import Any

import pytest

from callward_common.errors import InvalidRequest, Unavailable
from callward_crypto.keys import associated_data, open_small
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.once import Answer, Once
from callward_ingest.app.revisions import RevisionLimits, Revisions
from callward_ingest.domain.errors import (
    BodyTooLarge,
    CallNotFound,
    IdempotencyKeyReused,
    MetadataFixed,
    RevisionNotCurrent,
    TooManyRevisions,
    UnknownParty,
)
from callward_ingest.domain.events import CallMetadataRevised
from callward_ingest.domain.keys import SubjectKind
from callward_ingest.domain.revisions import FIXED, Expected, MetadataPatch, demand_not_fixed
from tests.unit.ingest.scene import ACTOR, TENANT, Scene

PHI = ("Planted: called back", "MRN-NEW-1", "+15125550777", "crm-17")
PATCH = MetadataPatch(
    {"notes": PHI[0], "patientReference": PHI[1], "agentId": None, "externalReference": PHI[3]},
    {"patient": PHI[2], "agent": None},
)
CHANGED = ("agentId", "externalReference", "notes", "parties.telephone", "patientReference")
ANY = Expected()


class Late(Scene):
    """The scene with late metadata."""

    def __init__(self, limits: RevisionLimits | None = None) -> None:
        super().__init__()
        self.revisions = Revisions(
            units=self.units,
            once=Once(self.units, Fingerprints(self.pseudonyms, self.clock), self.clock, self.limits),
            planner=self.planner,
            keys=self.keys,
            pseudonyms=self.pseudonyms,
            clock=self.clock,
            limits=limits or RevisionLimits(),
        )

    async def revise(
        self,
        call_id: str,
        patch: MetadataPatch = PATCH,
        expected: Expected = ANY,
        key: str | None = None,
        **request: Any,
    ) -> Answer:
        stated = self.request("calls.revise", key=key, **request)
        return await self.revisions.revise(stated, call_id, patch, expected)

    def opened(self, call_id: str, number: int) -> dict[str, Any]:
        """What a revision's sealed document holds."""
        revision = self.rows.history.revisions[call_id][number - 1]
        subject = revision.entry.revision_id
        bound = associated_data(TENANT, subject, "metadata", 0)
        plaintext = open_small(self.keys.subkey(subject), bound, revision.document.ciphertext)
        document = json.loads(plaintext)
        assert isinstance(document, dict)
        return document


async def test_a_revision_is_a_document_of_its_own_under_a_key_of_its_own() -> None:
    scene = Late()
    call_id = await scene.open_call()
    before = scene.rows.calls[call_id]
    answer = await scene.revise(call_id)
    assert answer.body == {
        "callId": call_id,
        "revision": 1,
        "revisedAt": "2026-11-24T09:00:00.000Z",
        "changed": list(CHANGED),
    }
    revision = scene.rows.history.revisions[call_id][0]
    key = scene.keys.issued[revision.entry.revision_id]
    assert (key.subject.kind, key.state) == (SubjectKind.call_revision, "sealed")
    assert key.manifest_sha256 == revision.document.sha256
    assert scene.rows.calls[call_id] == before, "the call's own document stays as it is"
    assert scene.opened(call_id, 1) == {
        "callId": call_id,
        "revision": 1,
        "revisedAt": "2026-11-24T09:00:00.000Z",
        "by": {"kind": "machine", "id": ACTOR.id, "issuer": ACTOR.issuer},
        "patch": {
            "notes": PHI[0],
            "patientReference": PHI[1],
            "agentId": None,
            "externalReference": PHI[3],
            "parties": {"patient": {"telephone": PHI[2]}, "agent": {"telephone": None}},
        },
    }
    assert scene.events[-1] == CallMetadataRevised(ACTOR, call_id, revision.entry.revision_id, 1, CHANGED)


async def test_its_key_ends_with_the_calls() -> None:
    scene = Late()
    call_id = await scene.open_call()
    await scene.revise(call_id)
    assert scene.planner.asked[-1] == scene.planner.asked[0] == scene.rows.calls[call_id].started_at


async def test_the_call_is_found_by_what_is_new_and_by_what_was_known() -> None:
    scene = Late()
    call_id = await scene.open_call()
    known = list(scene.rows.pseudonyms)
    await scene.revise(call_id)
    assert scene.rows.pseudonyms[: len(known)] == known
    assert len(scene.rows.pseudonyms) == len(known) + 3
    assert {item.quarter for item in scene.rows.pseudonyms} == {"2026Q4"}
    await scene.revise(call_id)
    assert len(scene.rows.pseudonyms) == len(known) + 3


async def test_nothing_identifying_is_stored_or_shown() -> None:
    scene = Late()
    call_id = await scene.open_call()
    answer = await scene.revise(call_id, key="k")
    kept = repr(scene.rows) + repr(answer) + repr(PATCH) + repr(PATCH.identifying)
    ciphertext = scene.rows.history.revisions[call_id][0].document.ciphertext
    for phi in PHI:
        assert phi not in kept
        assert phi.encode() not in ciphertext


async def test_revisions_are_numbered_and_listed_without_values() -> None:
    scene = Late()
    call_id = await scene.open_call()
    for number in range(3):
        await scene.revise(call_id, MetadataPatch({"notes": f"Note {number}"}))
    first = await scene.revisions.page(TENANT, call_id, 0, 2)
    rest = await scene.revisions.page(TENANT, call_id, 2, 2)
    assert [each.number for each in (*first.entries, *rest.entries)] == [1, 2, 3]
    assert (first.more, rest.more, first.newest) == (True, False, 3)
    assert {each.changed for each in first.entries} == {("notes",)}
    assert scene.opened(call_id, 1)["patch"] == {"notes": "Note 0"}


async def test_a_call_that_is_not_there_or_anothers_is_not_found() -> None:
    scene = Late()
    call_id = await scene.open_call()
    stranger = dataclasses.replace(scene.request("calls.revise"), tenant="other-clinic")
    with pytest.raises(CallNotFound):
        await scene.revisions.revise(stranger, call_id, PATCH, ANY)
    with pytest.raises(CallNotFound):
        await scene.revisions.page("other-clinic", call_id, 0, 10)
    assert len(scene.keys.issued) == 1


async def test_a_party_that_the_call_does_not_have_is_refused() -> None:
    scene = Late()
    call_id = await scene.open_call()
    with pytest.raises(UnknownParty) as refused:
        await scene.revise(call_id, MetadataPatch({}, {"nobody": "+15125550777"}))
    assert "nobody" not in str(refused.value)
    assert len(scene.keys.issued) == 1
    call = scene.rows.calls[call_id]
    scene.rows.calls[call_id] = dataclasses.replace(call, party_ids=None)
    await scene.revise(call_id, MetadataPatch({}, {"somebody": "+15125550777"}))


@pytest.mark.parametrize("name", sorted(FIXED))
def test_what_was_decided_on_is_refused_by_its_name(name: str) -> None:
    with pytest.raises(MetadataFixed) as refused:
        demand_not_fixed({"notes": "x", name: "y"}, FIXED, "")
    assert refused.value.extra == {"field": name, "pointer": f"/{name}"}
    assert refused.value.detail.startswith(f"{name} cannot be changed: ")


async def test_an_expected_revision_has_to_be_the_newest() -> None:
    scene = Late()
    call_id = await scene.open_call()
    with pytest.raises(RevisionNotCurrent):
        await scene.revise(call_id, expected=Expected(frozenset({1})))
    await scene.revise(call_id, expected=Expected(frozenset({0})))
    with pytest.raises(RevisionNotCurrent) as refused:
        await scene.revise(call_id, expected=Expected(frozenset({0})))
    assert (refused.value.http_status, refused.value.extra) == (412, {"revision": 1})
    await scene.revise(call_id, expected=Expected(frozenset({0, 1})))
    with pytest.raises(RevisionNotCurrent):
        await scene.revise(call_id, expected=Expected(frozenset()))


async def test_one_that_comes_in_between_is_noticed_at_the_commit_and_the_key_is_given_up() -> None:
    scene = Late()
    call_id = await scene.open_call()
    issue = scene.keys.issue

    async def overtaken(*arguments: Any) -> Any:
        scene.keys.issue = issue  # type: ignore[method-assign]
        await scene.revise(call_id, MetadataPatch({"notes": "first"}))
        return await issue(*arguments)

    scene.keys.issue = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(RevisionNotCurrent):
        await scene.revise(call_id, expected=Expected(frozenset({0})))
    assert len(scene.rows.history.revisions[call_id]) == 1
    assert sorted(key.state for key in scene.keys.issued.values()) == ["sealed", "sealed", "shred_pending"]


async def test_limits() -> None:
    scene = Late(RevisionLimits(max_revisions=2, max_bytes=100))
    call_id = await scene.open_call()
    for _ in range(2):
        await scene.revise(call_id, MetadataPatch({"notes": "short"}))
    with pytest.raises(TooManyRevisions) as refused:
        await scene.revise(call_id, MetadataPatch({"notes": "short"}))
    assert refused.value.extra == {"limit": 2}
    with pytest.raises(BodyTooLarge):
        await scene.revise(call_id, MetadataPatch({"notes": "é" * 45}))
    with pytest.raises(InvalidRequest):
        MetadataPatch({})


@pytest.mark.parametrize(("method", "left"), [("issue", []), ("seal", ["shred_pending"])])
async def test_what_fails_leaves_no_revision_and_frees_the_key(method: str, left: list[str]) -> None:
    scene = Late()
    call_id = await scene.open_call()
    scene.keys.failing[method] = Unavailable("away")
    with pytest.raises(Unavailable):
        await scene.revise(call_id, key="k")
    states = [key.state for key in scene.keys.issued.values() if key.subject.subject_id != call_id]
    assert states == left
    assert not scene.rows.history.revisions
    assert not [event for event in scene.events if isinstance(event, CallMetadataRevised)]
    scene.keys.failing.clear()
    assert not (await scene.revise(call_id, key="k")).replayed
    again = await scene.revise(call_id, key="k")
    assert (again.replayed, again.body["revision"]) == (True, 1)
    with pytest.raises(IdempotencyKeyReused):
        await scene.revise(call_id, key="k", canonical="another")
