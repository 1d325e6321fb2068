"""The embedded platform for e2e tests, and what only tests do to it: tamper, forge tokens, read every table.

Journeys see no more of it than `doors.Callward`. Everything else here is for tests of broken promises.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Literal, TypeVar

import asyncpg
import pytest

from callward_common.clock import SystemClock
from callward_common.grpc.client import MtlsChannels
from callward_embedded.config import EmbeddedConfig
from callward_embedded.platform import Platform
from callward_embedded.services import COMPONENTS
from tests.support.background import BackgroundLoop
from tests.support.doors import Callward, Doors
from tests.support.telemetry import Telemetry

T = TypeVar("T")
Role = Literal["owner", "run", "admin"]
#: Names of all databases: those of the services by component, and the events'.
DATABASES: Mapping[str, str] = {c.name: c.database for c in COMPONENTS} | {"events": "events"}
#: How the caller's name in a client span begins when it is a test that calls.
TEST_CALLER = "test:"


class RunningPlatform:
    """A platform that serves in the background loop between `start` and `stop`; it may be started again."""

    def __init__(self, loop: BackgroundLoop, folder: Path, environment: Mapping[str, str]) -> None:
        """`environment`: settings of the services, as variables that count while they are built."""
        self.loop, self.data_dir, self._environment = loop, folder, environment
        self._inner: Platform | None = None
        self._holding: asyncio.Task[None] | None = None
        self._stop: asyncio.Event | None = None

    @property
    def inner(self) -> Platform:
        """The platform itself."""
        assert self._inner is not None, "the platform is not running"
        return self._inner

    @property
    def objects(self) -> Path:
        """The folder of the object store that holds recordings."""
        return self.data_dir / "objects"

    def start(self) -> None:
        """Returns once everything serves."""
        with _variables(self._environment):
            self.loop.run(self._start(), timeout=90)

    def stop(self) -> None:
        """Stops everything, in order. Stopping twice is fine."""
        if self._holding is not None:
            self.loop.run(self._end(), timeout=90)

    def callward(self) -> Callward:
        """The platform as its callers see it."""
        doors = Doors(
            ingest=self.inner.doors["ingest"],
            access=self.inner.doors["access-gateway"],
            audit=self.inner.doors["audit"],
            issuers=self.inner.issuers_url,
        )
        return Callward.at(doors, self.data_dir / "issuer" / "accounts.json")

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Runs a coroutine in the platform's loop."""
        return self.loop.run(coroutine)

    def channels(self, component: str) -> MtlsChannels:
        """Channels with a valid certificate of `component`; traces tell a test's calls by TEST_CALLER."""
        identity = self.inner.authority.issue(component)
        return MtlsChannels(identity, self.inner.grpc_addresses, caller=f"{TEST_CALLER}{component}")

    def forge(self, tenant: str, kind: Literal["people", "machines"], **claims: Any) -> str:
        """Signs a token with the real key of a tenant's issuer; a claim of None is left away."""
        assert self.inner._tokens is not None
        issuer = self.inner._tokens.issuers[tenant, kind]
        now = int(SystemClock().now().timestamp())
        body = {"iss": issuer.url, "iat": now, "exp": now + 600, "jti": "forged", **claims}
        return issuer.key.sign({name: value for name, value in body.items() if value is not None}, "at+jwt")

    def sql(
        self, database: str, statement: str, *arguments: Any, role: Role = "owner"
    ) -> list[dict[str, Any]]:
        """Runs one statement (or several without arguments) in a component's database, or in that of the events."""
        return self.run(self._sql(database, statement, arguments, role))

    async def url(self, database: str, role: Role = "owner") -> str:
        """Where a database is, as a role."""
        name = DATABASES.get(database, database)
        if role == "admin":
            return self.inner.postgres._url("callward_admin", name)
        urls = await self.inner.postgres.database(name)
        return urls.owner_url if role == "owner" else urls.run_url

    @contextmanager
    def audit_stands_still(self) -> Iterator[None]:
        """Keeps audit's writer from its next batch: its database answers, nothing is put on record."""
        connection = self.run(self._stall())
        try:
            yield
        finally:
            self.run(connection.close())

    async def _stall(self) -> Any:
        connection = await asyncpg.connect(await self.url("audit"))
        await connection.execute("BEGIN")
        await connection.execute("SELECT epoch FROM writer FOR UPDATE")
        return connection

    async def _sql(
        self, database: str, statement: str, arguments: tuple[Any, ...], role: Role
    ) -> list[dict[str, Any]]:
        connection = await asyncpg.connect(await self.url(database, role))
        try:
            if not arguments and ";" in statement:
                await connection.execute(statement)
                return []
            return [dict(row) for row in await connection.fetch(statement, *arguments)]
        finally:
            await connection.close()

    async def _start(self) -> None:
        started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stop = asyncio.Event()
        self._holding = asyncio.create_task(self._hold(started, self._stop))
        await started

    async def _hold(self, started: asyncio.Future[None], stop: asyncio.Event) -> None:
        try:
            config = EmbeddedConfig.from_environment(os.environ, self.data_dir)
            config = EmbeddedConfig(
                data_dir=config.data_dir, environment=config.environment, durable=False, grace=5.0
            )
            async with Platform(config) as self._inner:
                started.set_result(None)
                await stop.wait()
        except BaseException as error:
            if not started.done():
                started.set_exception(error)
            raise
        finally:
            self._inner = None

    async def _end(self) -> None:
        assert self._stop is not None
        assert self._holding is not None
        self._stop.set()
        try:
            await self._holding
        finally:
            self._holding = None


@contextmanager
def running(loop: BackgroundLoop, environment: Mapping[str, str] | None = None) -> Iterator[RunningPlatform]:
    """A started platform on a folder of its own, which is gone afterwards."""
    with ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="callward-e2e-"))
        folder.chmod(0o711)  # as root the database runs as another user, who must pass through
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        platform = RunningPlatform(loop, folder / "data", environment or {})
        stack.callback(platform.stop)
        platform.start()
        yield platform


@contextmanager
def _variables(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        for name in values:
            os.environ.pop(name)
            if name in before:
                os.environ[name] = before[name]


@pytest.fixture(scope="session")
def platform(background: BackgroundLoop, telemetry: Telemetry) -> Iterator[RunningPlatform]:
    """The platform of this session, with its limits as shipped."""
    with running(background, QUICK) as started:
        yield started


#: Checkpoints often, since many tests wait for one.
QUICK: Mapping[str, str] = {"CALLWARD_AUDIT_CHECKPOINT_INTERVAL": "PT0.2S"}
#: Limits that tests can reach: the bytes of a body, seconds of silence, how far audit may be behind.
SMALL_BODY, SHORT_SILENCE, SHORT_LAG = 200_000, 1, 4


@pytest.fixture(scope="module")
def strict_platform(background: BackgroundLoop, telemetry: Telemetry) -> Iterator[RunningPlatform]:
    """A second platform whose limits are so small that a test reaches them. It runs while a module needs it."""
    limits = {
        **QUICK,
        "CALLWARD_INGEST_MAX_BODY_BYTES": str(SMALL_BODY),
        "CALLWARD_INGEST_BODY_IDLE_TIMEOUT": str(SHORT_SILENCE),
        "CALLWARD_ACCESS_MAX_AUDIT_LAG": f"PT{SHORT_LAG}S",
    }
    with running(background, limits) as started:
        yield started


@pytest.fixture(scope="session")
def callward(platform: RunningPlatform) -> Callward:
    """The doors of the session's platform, and tokens for them: all that a journey needs."""
    return platform.callward()


@pytest.fixture(scope="module")
def strict(strict_platform: RunningPlatform) -> Callward:
    """The doors of the platform with small limits."""
    return strict_platform.callward()
