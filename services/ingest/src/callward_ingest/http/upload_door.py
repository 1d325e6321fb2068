"""What the routes of uploads have in common, whichever dialect they speak."""

from dataclasses import dataclass

from starlette.requests import Request

from callward_common.clock import Clock
from callward_common.errors import InvalidRequest
from callward_common.http.requests import parse_idempotency_key
from callward_common.ids import parse_id
from callward_ingest.app.resumable import Resumable
from callward_ingest.app.upload import NewUpload
from callward_ingest.domain.uploads import Upload
from callward_ingest.http import upload_fields as fields
from callward_ingest.http.body import Body
from callward_ingest.http.digests import stated_digests
from callward_ingest.http.guard import principal_of
from callward_ingest.http.recordings import BodyLimits


@dataclass(frozen=True, slots=True)
class UploadDoor:
    """What the routes of uploads have in common."""

    resumable: Resumable
    clock: Clock
    limits: BodyLimits

    def body(self, request: Request) -> Body:
        """Returns the body of a request, bounded in time."""
        return Body(request, self.clock, idle_timeout=self.limits.idle_timeout, min_rate=self.limits.min_rate)

    def limit(self, upload: Upload | None = None) -> str:
        """Returns the value of Upload-Limit."""
        return fields.upload_limit(self.clock, self.limits.max_bytes, upload)

    def headers(self, upload: Upload) -> dict[str, str]:
        """Returns what every answer says of an upload that is not whole."""
        return {
            fields.COMPLETE: fields.FALSE,
            fields.OFFSET: str(upload.received),
            fields.LIMIT: self.limit(upload),
        }


def wanted_upload(request: Request, call: str | None, media_type: str, length: int | None) -> NewUpload:
    """Returns what a request asks to take in. Nothing of its body has been asked for yet."""
    if call is None:
        raise InvalidRequest("The call that was recorded has to be stated.", extra={"parameter": "call"})
    principal = principal_of(request)
    return NewUpload(
        tenant=principal.tenant_id,
        actor=principal.actor,
        call_id=parse_id(call),
        media_type=media_type,
        stated=stated_digests(request),
        key=parse_idempotency_key(request),
        length=length,
        resumable=True,
    )
