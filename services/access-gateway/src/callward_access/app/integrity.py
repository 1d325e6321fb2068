"""What is not what was sealed: an alarm in the log and a refusal on record, before the answer."""

import logging

from callward_access.app.guard import Guard
from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Act, Recording, Rendition
from callward_access.ports import Denied, MediaReader, Person
from callward_common.errors import CallwardError

_log = logging.getLogger(__name__)


async def broken(
    guard: Guard, person: Person, recording_id: str, purpose: str, error: IntegrityFailure
) -> CallwardError:
    """Put on record that a recording's media is not what was sealed, and return the error, to be raised."""
    _log.error("stored media is not what was sealed", extra={"error_type": error.type})
    denial = Denied(person.actor, Act.listen, error.type, recording_id, purpose)
    return await guard.refused(person, denial, error)


async def rendition_of(
    guard: Guard, media: MediaReader, person: Person, recording: Recording, purpose: str, name: str
) -> Rendition | None:
    """Return what the manifest says of a rendition, None where there is none. Raises IntegrityFailure, on record."""
    try:
        return media.rendition(person.tenant_id, recording, name)
    except IntegrityFailure as error:
        raise await broken(guard, person, recording.summary.recording_id, purpose, error) from error
