"""Recordings of many parts, through the door and from a real store."""

from dataclasses import replace

import pytest

from tests.integration.access.test_refusals import slug
from tests.integration.access.world import World
from tests.unit.access.sealing import TENANT, noise

#: Parts as an upload that broke often leaves them: borders at every place that counts.
SIZES = (1, 65_480, 65_481, 1, 1, 65_479, 131_000, 3, 200_000)
PARTS = tuple(noise(size, number) for number, size in enumerate(SIZES))
WHOLE = b"".join(PARTS)


async def test_the_whole_and_every_border_are_those_of_the_parts_put_together(access: World) -> None:
    path = (await access.opened(await access.add(parts=PARTS))).json()["mediaPath"]
    whole = await access.call("GET", path)
    assert (whole.status_code, whole.content == WHOLE) == (200, True)
    for number in range(1, len(SIZES)):
        border = sum(SIZES[:number])
        for first, last in ((border - 1, border), (border, border), (border - 1, border - 1)):
            answer = await access.call("GET", path, access.bearer() | {"Range": f"bytes={first}-{last}"})
            assert (answer.status_code, answer.content) == (206, WHOLE[first : last + 1])


async def test_two_thousand_parts(access: World) -> None:
    parts = [noise(1 + number % 300, number) for number in range(2000)]
    whole = b"".join(parts)
    path = (await access.opened(await access.add(parts=parts))).json()["mediaPath"]
    for first, last in ((0, 9), (len(whole) // 2, len(whole) // 2 + 5000), (len(whole) - 1, len(whole) - 1)):
        answer = await access.call("GET", path, access.bearer() | {"Range": f"bytes={first}-{last}"})
        assert (answer.status_code, answer.content == whole[first : last + 1]) == (206, True)
    assert (await access.call("GET", path)).content == whole


@pytest.mark.parametrize("place", [0, 4, len(PARTS) - 1])
async def test_a_part_that_was_changed_or_is_gone_breaks_off_at_its_border(access: World, place: int) -> None:
    recording = await access.add(parts=PARTS)
    path = (await access.opened(recording)).json()["mediaPath"]
    (part,) = [each async for each in access.objects.versions(f"{recording.summary.recording_id}/{place}/")]
    await access.objects.delete(part.key, part.version_id)
    begin = sum(SIZES[:place])
    answer = await access.call("GET", path, access.bearer() | {"Range": f"bytes={begin}-{begin}"})
    assert (answer.status_code, slug(answer)) == (500, "integrity-failure")
    if place:
        before = await access.call("GET", path, access.bearer() | {"Range": f"bytes=0-{begin - 1}"})
        assert before.content == WHOLE[:begin]


async def test_a_seek_fetches_no_manifest_that_is_kept_and_sees_a_changed_one(access: World) -> None:
    recording = await access.add(parts=PARTS)
    path = (await access.opened(recording)).json()["mediaPath"]
    for first in (0, 65_481, 200_000):
        answer = await access.call("GET", path, access.bearer() | {"Range": f"bytes={first}-{first}"})
        assert answer.content == WHOLE[first : first + 1]
    assert access.reader.manifests_sent == 1
    # A new version of the manifest that was not registered with the key: seen at once, and refused.
    other = await access.add(parts=PARTS)
    changed = replace(recording, manifest=other.manifest)
    access.reader.known[TENANT, recording.summary.recording_id] = changed
    answer = await access.call("GET", path, access.bearer() | {"Range": "bytes=0-0"})
    assert (answer.status_code, slug(answer)) == (500, "integrity-failure")
    assert access.reader.manifests_sent == 2
