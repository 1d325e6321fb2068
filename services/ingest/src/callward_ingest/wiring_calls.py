"""What is plugged into the use cases of calls: opening, evidence, legs, marks."""

from callward_ingest.app.calls import Calls
from callward_ingest.app.marks import Marks
from callward_ingest.neighbours.keys import GrpcKeys, GrpcPseudonyms
from callward_ingest.neighbours.marks import GrpcMarkSigner
from callward_ingest.neighbours.retention import GrpcPlanner
from callward_ingest.wiring_base import Base


def build_calls(base: Base) -> Calls:
    """Builds the use cases of calls."""
    return Calls(
        units=base.units,
        once=base.once,
        consent=base.consent,
        planner=GrpcPlanner(base.channels),
        keys=GrpcKeys(base.channels),
        pseudonyms=GrpcPseudonyms(base.channels),
        clock=base.clock,
        limits=base.limits,
    )


def build_marks(base: Base) -> Marks:
    """Builds the use cases of marks."""
    return Marks(
        units=base.units,
        once=base.once,
        signer=GrpcMarkSigner(base.channels),
        masks=base.masks,
        clock=base.clock,
        limits=base.limits,
    )
