"""Levels on record: measured at the door, kept per channel, and seen by the gateway's people as they were measured."""

import asyncpg
import pytest

from callward_access.http.models import recording_view
from callward_access.kept_manifests import KeptManifests
from callward_access.neighbours import IngestRecordings
from callward_ingest.media import media_readers
from tests.integration.ingest.world import World
from tests.support.grpc import run_servicers
from tests.support.pki import identities
from tests.support.tenants import MERCY
from tests.unit.ingest.scene import wav


async def test_levels_go_from_the_door_to_the_people(ingest: World) -> None:
    call_id = await ingest.opened()
    taken = await ingest.upload(call_id)
    assert taken.status_code == 201, taken.text
    recording_id, levels = taken.json()["recordingId"], taken.json()["media"]["levels"]
    reader = media_readers()("audio/wav", None)
    await reader.feed(wav())
    assert [
        (level["rmsDbfs"], level["peakDbfs"], level["silence"], level["clipped"]) for level in levels
    ] == [
        (level.rms_dbfs, level.peak_dbfs, level.silence, level.clipped)
        for level in (await reader.finish()).levels
    ]
    assert len(levels) == taken.json()["media"]["channels"]
    again = await ingest.client.get(f"/v1/recordings/{recording_id}", headers=ingest.bearer())
    assert again.json()["media"]["levels"] == levels
    async with run_servicers("ingest", ingest.service.grpc, identities()) as channels_of:
        recordings = IngestRecordings(channels_of("access-gateway"), KeptManifests(1))
        recording = await recordings.get(MERCY.tenant_id, recording_id)
    shown = recording_view(recording.summary).model_dump(mode="json", by_alias=True)
    assert shown["media"]["levels"] == levels


async def test_what_could_not_be_measured_has_no_levels(ingest: World) -> None:
    taken = await ingest.upload(await ingest.opened(), b"no audio at all")
    assert (taken.json()["state"], taken.json()["media"]["levels"]) == ("quarantined", [])


@pytest.mark.parametrize(
    "levels",
    [
        "rms_dbfs = '{-20}', peak_dbfs = '{-3}', silence = '{0.5}', clipped = NULL",
        "rms_dbfs = '{-20}', peak_dbfs = '{-3, -3}', silence = '{0.5}', clipped = '{0}'",
        "rms_dbfs = '{-20}', peak_dbfs = '{-3}', silence = '{0.5}', clipped = '{0}', channels = 2",
    ],
)
async def test_levels_are_whole_or_not_there(ingest: World, levels: str) -> None:
    await ingest.upload(await ingest.opened())
    connection = await asyncpg.connect(ingest.owner_url)
    try:
        await connection.execute("SELECT set_config('callward.tenant', $1, false)", MERCY.tenant_id)
        await connection.execute(
            "INSERT INTO recordings (tenant_id, recording_id, call_id, queue, state, reasons, object_key,"
            " started_at) SELECT tenant_id, gen_random_uuid(), call_id, queue, 'receiving', '{}', 'xx/xx',"
            " now() FROM calls"
        )
        with pytest.raises(asyncpg.CheckViolationError, match="recordings_levels_whole"):
            await connection.execute(
                f"UPDATE recordings SET state = 'abandoned', {levels} WHERE state = 'receiving'"
            )
    finally:
        await connection.close()
