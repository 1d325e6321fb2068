"""What has to hold after every disturbance: nothing is left behind, and what was on record before is heard."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.doors import HOSPITAL, Callward
from tests.support.journeys import Recorded, record
from tests.support.platform import RunningPlatform
from tests.support.uploads import heard
from tests.support.waiting import eventually

_NEEDED = (
    "SELECT p.version_id FROM parts p JOIN recordings r USING (tenant_id, recording_id)"
    " WHERE r.state IN ('sealed', 'quarantined') UNION ALL SELECT object_version FROM manifests"
)


@dataclass
class Settled:
    """A platform, and the recordings that have to survive what a test does to it."""

    platform: RunningPlatform
    kept: dict[str, bytes] = field(default_factory=dict)

    @property
    def doors(self) -> Callward:
        """The doors, with tokens of their own."""
        return self.platform.callward()

    def first(self, doors: Callward) -> Recorded:
        """Keeps a recording from before the disturbance."""
        recorded = record(doors, HOSPITAL)
        self.kept[recorded.recording_id] = recorded.audio
        return recorded

    def demand(self, doors: Callward, more: Mapping[str, bytes] | None = None) -> None:
        """Waits until the sweeper has nothing left to do; then every object, key and recording has to be in order.

        `more`: recordings that are heard from now on too.
        """
        self.kept.update(more or {})
        eventually(lambda: not self._rows("SELECT 1 FROM open_uploads"), "a clean list", within=120)
        assert self._rows("SELECT * FROM staged_objects") == []
        needed = sorted(str(row["version_id"]) for row in self._rows(_NEEDED))
        files = [path for path in self.platform.objects.rglob("*") if path.is_file()]
        assert sorted(path.stem for path in files if path.suffix == ".data") == needed
        assert {path.suffix for path in files} <= {".data", ".locks"}, files
        open_keys = self.platform.sql(
            "key-management", "SELECT subject_id FROM data_keys WHERE state = 'open'", role="admin"
        )
        assert open_keys == []
        for recording_id, audio in self.kept.items():
            assert heard(doors, recording_id) == audio, recording_id

    def _rows(self, query: str) -> list[dict[str, object]]:
        return self.platform.sql("ingest", query, role="admin")
