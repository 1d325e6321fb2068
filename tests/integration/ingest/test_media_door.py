"""Every kind of media through the door: encrypted, measured in passing or from where it is stored, sealed with peaks."""

from pathlib import Path

import pytest

from callward.ingest.v1 import manifest_pb2
from tests.integration.ingest.media_files import G722, KINDS, encode, tone
from tests.integration.ingest.world import World

ALL = {**KINDS, "g722": G722}


@pytest.mark.parametrize("name", ALL)
async def test_every_kind_is_sealed_with_its_waveform(ingest: World, tmp_path: Path, name: str) -> None:
    kind = ALL[name]
    content = encode(kind, tone(kind.rate, 1, 2), tmp_path)
    taken = await ingest.upload(await ingest.opened(), content, **{"Content-Type": kind.declared})
    assert taken.status_code == 201, taken.text
    answer = taken.json()
    assert (answer["state"], answer["reasons"]) == ("sealed", [])
    media = answer["media"]
    assert (media["codec"], media["sampleRate"], media["size"]) == (kind.codec, kind.rate, len(content))
    assert media["levels"][0]["rmsDbfs"] == pytest.approx(-9.03, abs=0.7)
    (row,) = await ingest.rows("SELECT manifest FROM manifests")
    manifest = manifest_pb2.Manifest.FromString(row["manifest"])
    assert {each.name: each.media_type for each in manifest.renditions} == {
        "original": media["mediaType"],
        "peaks": "application/octet-stream",
    }


async def test_what_is_not_taken_is_refused_with_what_is(ingest: World) -> None:
    refused = await ingest.upload(await ingest.opened(), b"bytes", **{"Content-Type": "audio/aac"})
    assert (refused.status_code, refused.json()["type"]) == (
        415,
        "urn:callward:problem:unsupported-media-type",
    )
    assert "audio/ogg;codecs=opus" in refused.json()["taken"]


async def test_a_lie_about_the_kind_is_kept_apart(ingest: World, tmp_path: Path) -> None:
    content = encode(KINDS["ogg"], tone(48_000, 1, 1), tmp_path)
    taken = await ingest.upload(await ingest.opened(), content)
    assert (taken.json()["state"], taken.json()["reasons"]) == ("quarantined", ["not-declared-type"])
    assert taken.json()["media"]["mediaType"] == "audio/ogg;codecs=opus"
