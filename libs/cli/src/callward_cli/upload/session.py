"""What the commands `upload` and `status` share: a door that is signed in at, and the uploads that are remembered."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version

from callward_cli.config import Settings, state_folder
from callward_cli.exits import CommandError, Exit
from callward_cli.upload.credentials import Tokens, tokens_for
from callward_cli.upload.door import Door
from callward_cli.upload.places import base_url, http_client
from callward_cli.upload.state import Remembered, UploadsFolder
from callward_common.clock import Clock

#: Seconds for an answer: the last append's comes after the recording is sealed.
READ_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Session:
    """A door, and what is remembered here."""

    door: Door
    folder: UploadsFolder
    settings: Settings
    clock: Clock


@asynccontextmanager
async def session(settings: Settings, environment: Mapping[str, str], clock: Clock) -> AsyncIterator[Session]:
    """Open a session. Nothing is sent yet. Raises CommandError for settings that cannot work."""
    server = base_url(settings.server, "the server")
    issuer = settings.issuer or "http://127.0.0.1"
    agent = f"callward/{version('callward')}"
    async with (
        http_client(server, read_seconds=READ_SECONDS, user_agent=agent) as http,
        http_client(issuer, read_seconds=30.0, user_agent=agent) as at_issuer,
    ):
        tokens: Tokens = tokens_for(settings, at_issuer, clock, environment)
        yield Session(Door(http, server, tokens), UploadsFolder(state_folder(environment)), settings, clock)


def named(folder: UploadsFolder, upload_id: str) -> Remembered:
    """Return the upload of an id. Raises CommandError when it is not remembered here."""
    for each in folder.all():
        if upload_id in {each.upload_id, each.idempotency_key}:
            return each
    raise CommandError(f"no upload {upload_id} is remembered here; see `callward status`", Exit.usage)
