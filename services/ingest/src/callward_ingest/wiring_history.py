"""What is plugged into late metadata and reconciliation."""

from callward_ingest.app.reconciliation import ReconciliationLimits, Reconciliations
from callward_ingest.app.revisions import RevisionLimits, Revisions
from callward_ingest.neighbours.keys import GrpcKeys, GrpcPseudonyms
from callward_ingest.neighbours.retention import GrpcPlanner
from callward_ingest.wiring_base import Base


def build_revisions(base: Base) -> Revisions:
    """Returns the use cases of late metadata."""
    return Revisions(
        units=base.units,
        once=base.once,
        planner=GrpcPlanner(base.channels),
        keys=GrpcKeys(base.channels),
        pseudonyms=GrpcPseudonyms(base.channels),
        clock=base.clock,
        limits=RevisionLimits(base.settings.max_revisions, base.settings.max_revision_bytes),
    )


def build_reconciliations(base: Base) -> Reconciliations:
    """Returns the use cases of reconciliation."""
    settings = base.settings
    return Reconciliations(
        units=base.units,
        once=base.once,
        pseudonyms=GrpcPseudonyms(base.channels),
        clock=base.clock,
        limits=ReconciliationLimits(
            max_calls=settings.max_reconciliation_calls,
            max_found=settings.max_reconciliation_found,
            max_range=settings.max_reconciliation_range,
            tolerance=settings.reconciliation_tolerance,
            clock_skew=settings.clock_skew,
        ),
    )
