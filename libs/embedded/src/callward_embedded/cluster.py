"""The cluster folder: made once, by one major version of PostgreSQL, and refused to every other."""

import json
import os
import shutil
from pathlib import Path
from typing import Final

from callward_embedded.binaries import Binaries
from callward_embedded.errors import VersionMismatch
from callward_embedded.files import sync_folder, write_durably
from callward_embedded.places import Account, owned_folder
from callward_embedded.postgres_settings import HOST_BASED_AUTHENTICATION, configuration, initdb_options
from callward_embedded.postmaster import Postmaster

#: The layout of the data folder; another one is refused.
LAYOUT: Final = 1


class Cluster:
    """The folder of the data and what is recorded of it. `folder` is ours, `server` below it is the server's."""

    def __init__(self, folder: Path) -> None:
        """`folder` exists and is ours."""
        self._folder = folder
        self.path = folder / "server" / "cluster"
        self.log = folder / "postgres.log"

    def recorded_major(self) -> int | None:
        """Returns the major version that made the data; None when there are none. Raises VersionMismatch."""
        if not self.path.exists():
            return None
        made_by = int((self.path / "PG_VERSION").read_text())
        record = self._folder / "version.json"
        if record.exists():
            recorded = json.loads(record.read_bytes())
            if recorded != {"layout": LAYOUT, "postgresql": made_by}:
                raise VersionMismatch(
                    f"The data in {self._folder} are recorded as layout {recorded.get('layout')} of PostgreSQL "
                    f"{recorded.get('postgresql')}, but layout {LAYOUT} of PostgreSQL {made_by} was expected."
                )
        return made_by

    def demand(self, binaries: Binaries) -> None:
        """Raises VersionMismatch when another major version made the data than `binaries` are."""
        made_by = self.recorded_major()
        if made_by not in (None, binaries.major):
            raise VersionMismatch(
                f"The data in {self._folder} were made by PostgreSQL {made_by}, and only {binaries.major} was found: "
                f"install {made_by}, name its folder in CALLWARD_POSTGRES_BIN, or choose another data folder."
            )

    def prepare(
        self,
        postmaster: Postmaster,
        binaries: Binaries,
        account: Account,
        admin: tuple[str, str],
        *,
        durable: bool,
    ) -> None:
        """Makes the cluster when there is none: whole, or not at all. `admin`: name and password."""
        server = owned_folder(self._folder / "server", account)
        if not self.path.exists():
            unfinished, password_file = server / "cluster.new", server / "password"
            shutil.rmtree(unfinished, ignore_errors=True)
            password_file.unlink(missing_ok=True)
            write_durably(password_file, admin[1].encode())
            if account.switch:
                os.chown(password_file, account.uid, account.gid)
            try:
                postmaster.run("initdb", initdb_options(admin[0], password_file, unfinished, durable=durable))
            finally:
                password_file.unlink()
            unfinished.rename(self.path)
            sync_folder(server)
        record = {"layout": LAYOUT, "postgresql": binaries.major}
        write_durably(self._folder / "version.json", json.dumps(record).encode())

    def configure(self, *, port: int, durable: bool) -> None:
        """Writes the configuration for the next start. It holds no secret: the server's account reads it."""
        content = configuration(port=port, durable=durable).encode()
        write_durably(self._folder / "postgresql.conf", content, mode=0o644)
        write_durably(self._folder / "pg_hba.conf", HOST_BASED_AUTHENTICATION.encode(), mode=0o644)
