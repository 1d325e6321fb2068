"""Opens what identifies a call: its document and every revision, each under a key of its own."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from callward_access.app.guard import Guard
from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.history import Metadata, merged, patch_of
from callward_access.domain.model import Act, Recording
from callward_access.ports import Denied, Granted, Keys, MediaReader, Person

_log = logging.getLogger(__name__)


class MetadataReader:
    """Opens the metadata of calls under a grant that is on record. Each opening is an event of key-management."""

    def __init__(self, guard: Guard, keys: Keys, media: MediaReader) -> None:
        self._guard = guard
        self._keys = keys
        self._media = media

    async def open(self, person: Person, recording: Recording, grant: Granted) -> Metadata:
        """Return the metadata of a recording's call as it is known now. Raises IntegrityFailure, on record."""
        try:
            return await self._open(person, recording, grant)
        except IntegrityFailure as error:
            _log.error("sealed metadata is not what was sealed", extra={"error_type": error.type})
            denial = Denied(person.actor, Act.view, error.type, grant.recording_id, grant.purpose)
            raise await self._guard.refused(person, denial, error) from error

    async def _open(self, person: Person, recording: Recording, grant: Granted) -> Metadata:
        tenant, call_id = person.tenant_id, recording.summary.call_id
        lease = await self._keys.open_call_metadata(person, call_id, grant)
        document = _document(self._media.open_document(tenant, call_id, recording.call_metadata, lease))
        for place, revision in enumerate(recording.revisions, 1):
            lease = await self._keys.open_revision(person, revision.revision_id, grant)
            opened = self._media.open_document(tenant, revision.revision_id, revision.ciphertext, lease)
            document = merged(document, patch_of(call_id, place, revision, _document(opened)))
        return Metadata(document, recording.revisions)


def _document(plaintext: bytes) -> Mapping[str, Any]:
    try:
        document = json.loads(plaintext)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        # Raised out here, so that no cause holds the plaintext.
        raise IntegrityFailure("the sealed metadata is no document")
    return document
