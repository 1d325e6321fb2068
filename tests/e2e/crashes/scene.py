"""One data folder whose platform is killed at a named step, started again, and looked at from inside and outside."""

import asyncio
import json
import re
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg
import httpx

from tests.support.audio import wav
from tests.support.crashing import arm
from tests.support.doors import Client
from tests.support.journeys import Recorded, consented_call, media, record
from tests.support.process import DevProcess
from tests.support.waiting import eventually

PARTIAL = "application/partial-upload"
#: The sweeper looks often, so that tests do not wait for it.
ENVIRONMENT = {"CALLWARD_INGEST_SWEEP_INTERVAL": "0.2", "CALLWARD_INGEST_RETRY_AFTER": "0.1"}


class Crashing:
    """A platform on one data folder, through crashes and starts."""

    def __init__(self, folder: Path) -> None:
        """Starts it, and has it keep a first recording, which has to survive everything."""
        self.control, self.data_dir = folder / "crash", folder / "data"
        self.process = self._started()
        # Kept for good: ports, tokens and who may use them outlive the process, and a one-time code counts once.
        self.callward = self.process.wait_ready()
        self.first: Recorded = record(self.callward, audio=wav(2))
        self.kept: list[tuple[str, bytes]] = [(self.first.recording_id, self.first.audio)]

    @property
    def platform(self) -> Client:
        """The machine that sends recordings."""
        return self.callward.call_platform()

    def call(self) -> str:
        """A call that may be recorded."""
        return consented_call(self.platform)

    def crash(self, point: str, nth: int, act: Callable[[], object]) -> None:
        """Has the platform die at a step while `act` goes on; fails when the step was never come to."""
        arm(self.control, point, nth)
        # The connection breaks: what the sender saw before is in what `act` keeps.
        with suppress(httpx.HTTPError):
            act()
        code = self.process.process.wait(timeout=30)
        assert code == -signal.SIGKILL, (point, code, self.process.errors[-2000:])
        self.control.unlink()
        self.process = self._started()
        assert self.process.wait_ready().doors == self.callward.doors

    def stop(self) -> int:
        """Stops it in order; returns the exit code."""
        return self.process.end(signal.SIGTERM)

    def settled(self) -> None:
        """Waits until the sweeper has nothing left to do, then demands that every object belongs to a recording."""
        # A step that a crash cut short is left alone for a minute before it is tried again.
        eventually(
            lambda: self.rows("SELECT count(*) AS n FROM open_uploads")[0]["n"] == 0,
            "a clean list",
            within=90,
        )
        assert self.rows("SELECT * FROM staged_objects") == []
        needed = self.rows(
            "SELECT p.object_key, p.version_id FROM parts p JOIN recordings r USING (tenant_id, recording_id)"
            " WHERE r.state IN ('sealed', 'quarantined')"
            " UNION ALL SELECT object_key, object_version FROM manifests"
        )
        files = list((self.data_dir / "objects").rglob("*.data"))
        assert sorted(path.stem for path in files) == sorted(row["version_id"] for row in needed)
        open_keys = self.rows("SELECT subject_id FROM data_keys WHERE state = 'open'", "key_management")
        assert open_keys == []

    def plays(self) -> None:
        """Demands that the newest recording is heard byte for byte, and of each one before its last second's end.

        Listening is paced for a person and a recording: hearing all of all of them each time would only wait.
        """
        person = self.callward.person()
        *before, (newest, audio) = self.kept
        heard = person.get(media(person, newest))
        assert (heard.status_code, heard.content == audio) == (200, True), newest
        for recording_id, whole in before:
            end = person.get(media(person, recording_id), headers={"Range": "bytes=-2000"})
            assert (end.status_code, end.content == whole[-2000:]) == (206, True), recording_id

    def rows(self, query: str, database: str = "ingest") -> list[dict[str, Any]]:
        """Asks a database as its administrator: row-level security does not hold it back."""
        folder = self.data_dir / "postgres"
        password = json.loads((folder / "passwords.json").read_bytes())["callward_admin"]
        found = re.search(r"^port\s*=\s*'?(\d+)", (folder / "postgresql.conf").read_text(), re.MULTILINE)
        assert found is not None

        async def ask() -> list[dict[str, Any]]:
            connection = await asyncpg.connect(
                host="127.0.0.1",
                port=int(found[1]),
                user="callward_admin",
                password=password,
                database=database,
            )
            try:
                return [dict(row) for row in await connection.fetch(query)]
            finally:
                await connection.close()

        return asyncio.run(ask())

    def _started(self) -> DevProcess:
        command = (sys.executable, "-m", "tests.support.crashing", str(self.control))
        return DevProcess(self.data_dir, ENVIRONMENT, command=command)


@contextmanager
def crashing() -> Iterator[Crashing]:
    """A platform that crashes, on a folder of its own that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="callward-crash-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        scene = Crashing(folder)
        try:
            yield scene
        finally:
            if scene.process.process.poll() is None:
                scene.stop()
