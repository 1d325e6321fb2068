"""What ingest needs of its neighbours, its database and its media, written from its own needs."""

from callward_ingest.ports.calls import (
    CallRows,
    HeardRows,
    LegRows,
    MarkRows,
    ReconciliationRows,
    RevisionRows,
)
from callward_ingest.ports.media import (
    ManifestEncoder,
    MaskIntervals,
    MaskWatch,
    MediaReader,
    MediaReaders,
    StoredMedia,
)
from callward_ingest.ports.neighbours import (
    Consent,
    Keys,
    MarkSigner,
    Planner,
    Pseudonyms,
    Signer,
    SigningKeys,
)
from callward_ingest.ports.units import Unit, Units
from callward_ingest.ports.uploads import (
    AttemptRows,
    IdempotencyRows,
    PartRows,
    RecordingRows,
    UploadRows,
    WorkList,
)
from callward_ingest.ports.webhooks import DeliveryRows, WebhookRows

__all__ = [
    "AttemptRows",
    "CallRows",
    "Consent",
    "DeliveryRows",
    "HeardRows",
    "IdempotencyRows",
    "Keys",
    "LegRows",
    "ManifestEncoder",
    "MarkRows",
    "MarkSigner",
    "MaskIntervals",
    "MaskWatch",
    "MediaReader",
    "MediaReaders",
    "PartRows",
    "Planner",
    "Pseudonyms",
    "ReconciliationRows",
    "RecordingRows",
    "RevisionRows",
    "Signer",
    "SigningKeys",
    "StoredMedia",
    "Unit",
    "Units",
    "UploadRows",
    "WebhookRows",
    "WorkList",
]
