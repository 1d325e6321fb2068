"""Manifests are kept by recording, the newest for each, up to so many bytes."""

from callward_access.domain.model import Manifest
from callward_access.kept_manifests import KeptManifests


def test_the_newest_of_each_recording_and_the_last_asked_for_are_kept() -> None:
    kept = KeptManifests(30)
    first, second, third = (Manifest(bytes([number]) * 10) for number in range(3))
    kept.put("mercy", "a", first)
    kept.put("mercy", "b", second)
    kept.put("other", "a", third)
    assert kept.get("mercy", "a") is first
    assert kept.get("other", "a") is third
    newer = Manifest(b"x" * 20)
    kept.put("other", "a", newer)
    # The one asked for longest ago made room.
    assert kept.get("mercy", "b") is None
    assert (kept.get("mercy", "a"), kept.get("other", "a")) == (first, newer)
    assert kept._bytes == 30


def test_one_that_is_larger_than_all_may_be_is_kept_alone() -> None:
    kept = KeptManifests(0)
    large = Manifest(b"x" * 1000)
    kept.put("mercy", "a", Manifest(b"y"))
    kept.put("mercy", "b", large)
    assert (kept.get("mercy", "a"), kept.get("mercy", "b")) == (None, large)
    kept.put("mercy", "c", Manifest(b""))
    assert kept._bytes == 0
