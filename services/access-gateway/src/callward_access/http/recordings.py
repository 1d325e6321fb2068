"""Routes that list recordings and open what is known of one."""

from typing import Annotated

from fastapi import APIRouter, Query, Request

from callward_access.app.recordings import RecordingsApp
from callward_access.http.marks import RecordingShown, recording_shown
from callward_access.http.models import (
    PurposeBody,
    RecordingDetails,
    RecordingPage,
    recording_view,
    revision_view,
)
from callward_access.http.people import People

MAX_PAGE = 200


def router(app: RecordingsApp, people: People) -> APIRouter:
    """Return the routes."""
    routes = APIRouter(prefix="/v1/recordings", tags=["recordings"])

    @routes.get("", operation_id="listRecordings")
    async def list_recordings(
        request: Request,
        page_size: Annotated[int, Query(alias="pageSize", ge=1, le=MAX_PAGE)] = 50,
        cursor: Annotated[str, Query(max_length=512)] = "",
        queue: Annotated[str, Query(max_length=64, pattern=r"^[A-Za-z0-9._:-]*$")] = "",
    ) -> RecordingPage:
        """List sealed recordings, newest first, without any identifying field."""
        person = await people.identify(request, "list")
        page = await app.list(person, page_size=page_size, page_token=cursor, queue=queue)
        return RecordingPage(
            recordings=[recording_view(summary) for summary in page.recordings], next_cursor=page.next or None
        )

    @routes.get("/{recording_id}", operation_id="getRecording")
    async def get_recording(request: Request, recording_id: str) -> RecordingShown:
        """Return one recording as lists show it, with the control marks of its call."""
        person = await people.identify(request, "list")
        return recording_shown(await app.show(person, recording_id))

    @routes.post("/{recording_id}/views", operation_id="viewRecording")
    async def view_recording(request: Request, recording_id: str, body: PurposeBody) -> RecordingDetails:
        """Open what identifies the call. An act of its own, with a purpose; it goes on record."""
        person = await people.identify(request, "view")
        summary, metadata = await app.view(person, recording_id, body.purpose)
        return RecordingDetails(
            recording=recording_view(summary),
            metadata=dict(metadata.document),
            history=[revision_view(revision) for revision in metadata.history],
        )

    @routes.post("/{recording_id}/downloads", operation_id="downloadRecording", status_code=403)
    async def download_recording(request: Request, recording_id: str, body: PurposeBody) -> None:
        """Ask for a download. A right apart from listening, which the base policies give to nobody: 403."""
        person = await people.identify(request, "download")
        await app.refuse_download(person, recording_id, body.purpose)

    return routes
