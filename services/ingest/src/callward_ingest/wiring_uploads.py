"""What is plugged into what, for uploads."""

from dataclasses import dataclass

from callward_ingest.app.appends import Appends
from callward_ingest.app.completing import Completing
from callward_ingest.app.endings import Endings
from callward_ingest.app.marks_sealing import SealedMarks
from callward_ingest.app.objects import LockingStore, Objects
from callward_ingest.app.opening import Opening
from callward_ingest.app.quotas import Quotas
from callward_ingest.app.resumable import Resumable
from callward_ingest.app.running import Running
from callward_ingest.app.sessions import Sessions
from callward_ingest.app.sweeper import Sweeper
from callward_ingest.app.upload_core import UploadCore
from callward_ingest.app.uploads import Uploads
from callward_ingest.manifest import encode_manifest
from callward_ingest.media import MediaLimits, media_readers
from callward_ingest.neighbours.keys import GrpcKeys
from callward_ingest.neighbours.retention import GrpcPlanner
from callward_ingest.neighbours.signing import GrpcSigner
from callward_ingest.settings import IngestSettings
from callward_ingest.store.work_list import DatabaseWorkList
from callward_ingest.wiring_base import Base


@dataclass(frozen=True, slots=True)
class Uploading:
    """The use cases of uploads, and what of them the service runs and closes."""

    uploads: Uploads
    resumable: Resumable
    running: Running
    sessions: Sessions
    sweeper: Sweeper


def build_uploading(base: Base, store: LockingStore) -> Uploading:
    """Builds the use cases of uploads. `store`: where ciphertext goes."""
    core = _core(base, store)
    clock, limits, units = base.clock, base.limits, base.units
    uploads = Uploads(
        core=core,
        units=units,
        fingerprints=base.fingerprints,
        background=base.background,
        clock=clock,
        limits=limits,
    )
    resumable = Resumable(core=core, units=units, background=base.background, clock=clock, limits=limits)
    sweeper = Sweeper(
        work=DatabaseWorkList(base.db),
        units=units,
        completing=core.completing,
        endings=core.endings,
        sessions=core.sessions,
        running=core.running,
        clock=clock,
        interval=base.settings.sweep_interval,
    )
    return Uploading(uploads, resumable, core.running, core.sessions, sweeper)


def _core(base: Base, store: LockingStore) -> UploadCore:
    units, clock, limits = base.units, base.clock, base.limits
    objects, opening = Objects(units, store, clock), _opening(base)
    readers = media_readers(_media(base.settings))
    sessions = Sessions(units=units, objects=objects, readers=readers, masks=base.masks, clock=clock)
    endings = Endings(units, GrpcKeys(base.channels), objects, sessions, clock)
    return UploadCore(
        opening=opening,
        sessions=sessions,
        endings=endings,
        appends=Appends(
            units=units, objects=objects, sessions=sessions, endings=endings, clock=clock, limits=limits
        ),
        completing=_completing(base, opening, sessions, objects),
        quotas=Quotas(units, clock, limits),
        running=Running(limits),
    )


def _opening(base: Base) -> Opening:
    return Opening(
        units=base.units,
        consent=base.consent,
        planner=GrpcPlanner(base.channels),
        keys=GrpcKeys(base.channels),
        fingerprints=base.fingerprints,
        clock=base.clock,
        lifetime=base.limits.upload_lifetime,
        skew=base.limits.clock_skew,
    )


def _completing(base: Base, opening: Opening, sessions: Sessions, objects: Objects) -> Completing:
    return Completing(
        units=base.units,
        opening=opening,
        sessions=sessions,
        objects=objects,
        consent=base.consent,
        keys=GrpcKeys(base.channels),
        signer=GrpcSigner(base.channels),
        marks=SealedMarks(base.units, longest=base.limits.max_mask),
        encode_manifest=encode_manifest,
        background=base.background,
        clock=base.clock,
    )


def _media(settings: IngestSettings) -> MediaLimits:
    return MediaLimits(
        max_channels=settings.decoded_channels,
        max_sample_rate=settings.decoded_sample_rate,
        max_samples=settings.decoded_samples,
        max_packets=settings.decoded_packets,
        stall_seconds=settings.decoder_stall,
    )
