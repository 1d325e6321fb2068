"""Tells that a process lives: a lock that its session holds, and that PostgreSQL lets go of when the process dies."""

import asyncio
import logging
import secrets
from typing import Final

import sqlalchemy as sa

from callward_common.db import Database
from callward_common.db.waiting import wait_for_any
from callward_common.errors import Unavailable

_log = logging.getLogger(__name__)
#: The first key of the advisory locks; the second is the process's number.
LOCK_CLASS: Final = 0x49_4E_47_50
_LOOK_SECONDS, _AGAIN_SECONDS = 5.0, 1.0


class ProcessHold:
    """Holds the lock of this process while it runs. What it left unfinished is then known to be nobody's at once."""

    name = "process-hold"

    def __init__(self, db: Database) -> None:
        self._db = db
        self.number = secrets.randbits(31)

    async def run(self, stop: asyncio.Event) -> None:
        """Holds the lock until the end; takes it again when the connection was lost."""
        while not stop.is_set():
            try:
                async with self._db.dedicated(autocommit=True) as connection:
                    await connection.execute(sa.select(sa.func.pg_advisory_lock(LOCK_CLASS, self.number)))
                    while not stop.is_set():
                        await wait_for_any(stop, within=_LOOK_SECONDS)
                        await connection.execute(sa.select(1))
            except Unavailable:
                _log.warning("the lock of this process is lost and is taken again")
                await wait_for_any(stop, within=_AGAIN_SECONDS)
