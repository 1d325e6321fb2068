"""What is plugged into what, for uploads."""

from dataclasses import dataclass

from callward_common.clock import Clock
from callward_common.db import Database
from callward_common.grpc.client import Channels
from callward_common.objects.store import ObjectStore
from callward_ingest.app.appends import Appends
from callward_ingest.app.background import Background
from callward_ingest.app.completing import Completing
from callward_ingest.app.endings import Endings
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.limits import Limits
from callward_ingest.app.objects import Objects
from callward_ingest.app.opening import Opening
from callward_ingest.app.quotas import Quotas
from callward_ingest.app.resumable import Resumable
from callward_ingest.app.running import Running
from callward_ingest.app.sessions import Sessions
from callward_ingest.app.sweeper import Sweeper
from callward_ingest.app.uploads import Uploads
from callward_ingest.manifest import encode_manifest

from callward_ingest.neighbours.keys import GrpcKeys
from callward_ingest.neighbours.retention import GrpcPlanner
from callward_ingest.neighbours.signing import GrpcSigner
from callward_ingest.ports import Consent
from callward_ingest.settings import IngestSettings
from callward_ingest.store import DatabaseUnits
from callward_ingest.store.work_list import DatabaseWorkList


@dataclass(frozen=True, slots=True)
class Uploading:
    """The use cases of uploads, and what of them the service runs and closes."""

    uploads: Uploads
    resumable: Resumable
    running: Running
    sessions: Sessions
    sweeper: Sweeper


def build_uploading(
    settings: IngestSettings,
    limits: Limits,
    units: DatabaseUnits,
    consent: Consent,
    channels: Channels,
    store: ObjectStore,
    fingerprints: Fingerprints,
    background: Background,
    clock: Clock,
    db: Database,
) -> Uploading:
    """Builds the use cases of uploads."""
    keys, objects, running = GrpcKeys(channels), Objects(units, store, clock), Running(limits)
    sessions = Sessions(units=units, objects=objects, readers=make_reader, clock=clock)
    opening = Opening(
        units=units,
        consent=consent,
        planner=GrpcPlanner(channels),
        keys=keys,
        fingerprints=fingerprints,
        clock=clock,
        lifetime=limits.upload_lifetime,
    )
    endings = Endings(units, keys, objects, sessions, clock)
    appends = Appends(
        units=units, objects=objects, sessions=sessions, endings=endings, clock=clock, limits=limits
    )
    completing = Completing(
        units=units,
        opening=opening,
        sessions=sessions,
        objects=objects,
        consent=consent,
        keys=keys,
        signer=GrpcSigner(channels),
        encode_manifest=encode_manifest,
        clock=clock,
    )
    quotas = Quotas(units, clock, limits)
    uploads = Uploads(
        units=units,
        opening=opening,
        appends=appends,
        completing=completing,
        endings=endings,
        quotas=quotas,
        running=running,
        fingerprints=fingerprints,
        background=background,
        clock=clock,
        limits=limits,
    )
    resumable = Resumable(
        units=units,
        opening=opening,
        appends=appends,
        completing=completing,
        endings=endings,
        quotas=quotas,
        running=running,
        background=background,
        clock=clock,
        limits=limits,
    )
    sweeper = Sweeper(
        work=DatabaseWorkList(db),
        units=units,
        completing=completing,
        endings=endings,
        sessions=sessions,
        running=running,
        clock=clock,
        interval=settings.sweep_interval,
    )
    return Uploading(uploads, resumable, running, sessions, sweeper)


class _WavOnly:
    def __init__(self) -> None:
        from callward_ingest.domain.wav import WavReader

        self._reader = WavReader()
        self.layout = None

    async def feed(self, chunk: bytes) -> None:
        self._reader.feed(chunk)

    async def finish(self):
        from callward_ingest.domain.media import MediaReport

        return MediaReport(self._reader.finish())

    async def finish_from(self, stored):
        return await self.finish()

    async def close(self) -> None:
        return None


def make_reader(media_type, raw):
    return _WavOnly()
