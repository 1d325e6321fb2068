"""Refusals go on record: who was refused which key, and why, in a transaction of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from callward_common.errors import CallwardError, Category
from callward_common.identity import Actor
from callward_keys.domain.errors import CommitmentMismatch, KeyRefusal, WrapRefused
from callward_keys.domain.events import KeyRefused
from callward_keys.domain.model import Subject
from callward_keys.ports import Units


def is_refusal(error: CallwardError) -> bool:
    """Says whether an error refuses a key: what is malformed, or an outage, does not."""
    refusals = (KeyRefusal, WrapRefused, CommitmentMismatch)
    return isinstance(error, refusals) or error.category is Category.unauthenticated


@asynccontextmanager
async def on_record(units: Units, actor: Actor, subject: Subject) -> AsyncIterator[None]:
    """Puts a refusal raised in the block on record under the subject's tenant, and raises it again.

    When it cannot be put on record, that error is raised instead: the key is given out in neither case.
    """
    try:
        yield
    except CallwardError as error:
        if is_refusal(error):
            await units.record_refusal(subject.tenant_id, KeyRefused(actor, subject, error.type))
        raise
