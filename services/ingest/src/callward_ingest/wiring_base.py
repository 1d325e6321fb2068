"""What everything of ingest is built upon."""

from dataclasses import dataclass

from callward_common.clock import Clock
from callward_common.db import Database
from callward_common.grpc.client import Channels
from callward_ingest.app.background import Background
from callward_ingest.app.fingerprints import Fingerprints
from callward_ingest.app.limits import Limits, PartLimits
from callward_ingest.app.masks import Masks
from callward_ingest.app.once import Once
from callward_ingest.neighbours.consent import GrpcConsent
from callward_ingest.neighbours.keys import GrpcPseudonyms
from callward_ingest.settings import IngestSettings
from callward_ingest.store import DatabaseUnits
from callward_ingest.store.process_hold import ProcessHold


@dataclass(frozen=True, slots=True)
class Base:
    """What the use cases share."""

    settings: IngestSettings
    limits: Limits
    db: Database
    clock: Clock
    channels: Channels
    hold: ProcessHold
    units: DatabaseUnits
    consent: GrpcConsent
    fingerprints: Fingerprints
    once: Once
    masks: Masks
    background: Background


def build_base(settings: IngestSettings, *, db: Database, clock: Clock, channels: Channels) -> Base:
    """Builds what the use cases share."""
    hold, limits = ProcessHold(db), limits_of(settings)
    units = DatabaseUnits(db, keep_answers=settings.keep_answers, holder=hold.number)
    fingerprints = Fingerprints(GrpcPseudonyms(channels), clock)
    return Base(
        settings=settings,
        limits=limits,
        db=db,
        clock=clock,
        channels=channels,
        hold=hold,
        units=units,
        consent=GrpcConsent(channels),
        fingerprints=fingerprints,
        once=Once(units, fingerprints, clock, limits),
        masks=Masks(units, clock, longest=settings.max_mask),
        background=Background(),
    )


def limits_of(settings: IngestSettings) -> Limits:
    """Returns the limits that the use cases hold to."""
    return Limits(
        max_body_bytes=settings.max_body_bytes,
        max_parallel_uploads=settings.max_parallel_uploads,
        max_tenant_uploads=settings.max_tenant_uploads,
        max_open_uploads=settings.max_open_uploads,
        max_bytes_a_day=settings.max_bytes_a_day,
        upload_lifetime=settings.upload_lifetime,
        parts=PartLimits(
            size=settings.part_bytes,
            live_size=settings.live_part_bytes,
            live_age=settings.live_part_seconds,
            age=settings.part_seconds,
            count=settings.max_parts,
        ),
        clock_skew=settings.clock_skew,
        max_mask=settings.max_mask,
        max_legs=settings.max_legs,
        max_marks=settings.max_marks,
        claim_hold=settings.claim_hold,
        claim_renew_seconds=settings.claim_hold.total_seconds() / 5,
        retry_after_seconds=settings.retry_after,
    )
