"""Late metadata: a revision is a small document of its own, under a key of its own. The call's own is never opened."""

import hashlib
import json
import logging
import secrets
from dataclasses import dataclass

from callward_common.clock import Clock
from callward_common.errors import JsonValue
from callward_common.ids import new_id
from callward_crypto.keys import associated_data, seal_small
from callward_ingest.app.answers import actor_json, moment
from callward_ingest.app.calls import METADATA
from callward_ingest.app.once import Answer, Once, Prepared, Request
from callward_ingest.app.pseudonyms import make_pseudonyms
from callward_ingest.domain.calls import Call, Pseudonym, SealedDocument
from callward_ingest.domain.errors import BodyTooLarge, CallNotFound
from callward_ingest.domain.events import CallMetadataRevised
from callward_ingest.domain.keys import DataKey, Subject, SubjectKind
from callward_ingest.domain.policy import quarter_of
from callward_ingest.domain.revisions import (
    Expected,
    MetadataPatch,
    Revision,
    RevisionEntry,
    RevisionPage,
    demand_current,
    demand_parties,
)
from callward_ingest.ports import Keys, Planner, Pseudonyms, Unit, Units

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RevisionLimits:
    """The most revisions of a call, and the most bytes of one patch."""

    max_revisions: int = 50
    max_bytes: int = 32 * 1024


@dataclass(frozen=True, slots=True)
class _Issued:
    """An open key, waiting for the document that it will seal."""

    subject: Subject
    key: DataKey


class Revisions:
    """The use cases of late metadata."""

    def __init__(
        self,
        *,
        units: Units,
        once: Once,
        planner: Planner,
        keys: Keys,
        pseudonyms: Pseudonyms,
        clock: Clock,
        limits: RevisionLimits,
    ) -> None:
        self._units = units
        self._once = once
        self._planner = planner
        self._keys = keys
        self._pseudonyms = pseudonyms
        self._clock = clock
        self._limits = limits

    async def revise(
        self, request: Request, call_id: str, patch: MetadataPatch, expected: Expected
    ) -> Answer:
        """Seals a patch as the call's next revision and puts it on record; the answer names fields, no value."""
        size = len(_json(patch.as_json()))
        if size > self._limits.max_bytes:
            raise BodyTooLarge(f"A revision has at most {self._limits.max_bytes} bytes.")
        return await self._once.run(request, lambda: self._prepare(request, call_id, patch, expected))

    async def page(self, tenant: str, call_id: str, after: int, limit: int) -> RevisionPage:
        """Returns what is shown of a call's revisions after a number, in order. Raises CallNotFound."""
        async with self._units.begin(tenant) as unit:
            await _demand_call(unit, call_id)
            return await unit.revisions.page(call_id, after, limit)

    async def _prepare(
        self, request: Request, call_id: str, patch: MetadataPatch, expected: Expected
    ) -> Prepared:
        tenant = request.tenant
        # What may refuse the patch without keeping anything comes first.
        async with self._units.begin(tenant) as unit:
            call = await _demand_call(unit, call_id)
            demand_current(await unit.revisions.newest(call_id), expected, self._limits.max_revisions)
        demand_parties(patch, call.party_ids)
        quarter = quarter_of(call.started_at)
        pseudonyms = await make_pseudonyms(self._pseudonyms, tenant, quarter, patch.identifying)
        issued = await self._issue(tenant, call)
        body: dict[str, JsonValue] = {"callId": call_id}

        async def commit(unit: Unit) -> None:
            # The number is known only here, under the call's lock; the answer and the document say it.
            try:
                newest = await unit.revisions.newest(call_id, lock=True)
                demand_current(newest, expected, self._limits.max_revisions)
                body.update(await self._add(unit, request, call_id, patch, pseudonyms, newest + 1, issued))
            except Exception:
                await self._give_up(issued.subject)
                raise

        return Prepared(body, commit)

    async def _issue(self, tenant: str, call: Call) -> _Issued:
        """Issues the revision's key under the call's own plan: the two end in the same month."""
        plan = await self._planner.plan(tenant, call.call_id, call.started_at, call.age_group)
        subject = Subject(tenant, SubjectKind.call_revision, new_id(), secrets.token_bytes(32))
        return _Issued(subject, await self._keys.issue(subject, plan))

    async def _add(
        self,
        unit: Unit,
        request: Request,
        call_id: str,
        patch: MetadataPatch,
        pseudonyms: list[Pseudonym],
        number: int,
        issued: _Issued,
    ) -> dict[str, JsonValue]:
        revision_id, now = issued.subject.subject_id, self._clock.now()
        entry = RevisionEntry(number, revision_id, now, request.actor, patch.changed)
        plaintext = revision_document(call_id, entry, patch)
        bound = associated_data(request.tenant, revision_id, METADATA, 0)
        ciphertext = seal_small(issued.key.subkey, bound, plaintext)
        digest = hashlib.sha256(ciphertext).digest()
        document = SealedDocument(ciphertext, digest, issued.key.key_id)
        await unit.revisions.add(call_id, Revision(entry, document), pseudonyms)
        unit.record(CallMetadataRevised(request.actor, call_id, revision_id, number, patch.changed))
        # Last: a key that is sealed for a row that could not be written would never be given up.
        await self._keys.seal(issued.subject, digest)
        return {"revision": number, "revisedAt": moment(now), "changed": list(patch.changed)}

    async def _give_up(self, subject: Subject) -> None:
        try:
            await self._keys.abandon(subject, "revision-not-made")
        except Exception:
            # The key belongs to nothing and is closed to ingest when its time is over.
            _log.warning(
                "key of a revision not given up", extra={"call_id": subject.subject_id}, exc_info=True
            )


def revision_document(call_id: str, entry: RevisionEntry, patch: MetadataPatch) -> bytes:
    """Gives the document of a revision as JSON in UTF-8: the patch, and which it is, when and by whom."""
    return _json(
        {
            "callId": call_id,
            "revision": entry.number,
            "revisedAt": moment(entry.revised_at),
            "by": actor_json(entry.actor),
            "patch": patch.as_json(),
        }
    )


async def _demand_call(unit: Unit, call_id: str) -> Call:
    call = await unit.calls.find(call_id)
    if call is None:
        raise CallNotFound("There is no such call.")
    return call


def _json(document: object) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
