"""The steps that every way of taking recordings in is made of."""

from dataclasses import dataclass

from callward_ingest.app.appends import Appends
from callward_ingest.app.completing import Completing
from callward_ingest.app.endings import Endings
from callward_ingest.app.opening import Opening
from callward_ingest.app.quotas import Quotas
from callward_ingest.app.running import Running
from callward_ingest.app.sessions import Sessions


@dataclass(frozen=True, slots=True)
class UploadCore:
    """Opening, appending, sealing and ending uploads; what bounds them and what is kept between appends."""

    opening: Opening
    sessions: Sessions
    endings: Endings
    appends: Appends
    completing: Completing
    quotas: Quotas
    running: Running
