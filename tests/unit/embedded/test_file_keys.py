"""Keys of objects as paths: none leaves the folder, no two meet, none is lost."""

import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward_embedded.file_keys import (
    MAX_KEY,
    InvalidKey,
    checked_version,
    folder_of,
    key_of,
    name_beginning,
    nearest_folder,
)

ROOT = Path("/store/objects")
SEGMENTS = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=300).filter(
    lambda text: text.strip(".")
)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=5).map("/".join).filter(lambda key: len(key) <= MAX_KEY)


@given(KEYS)
def test_a_key_is_read_back_from_its_folder(key: str) -> None:
    folder = folder_of(ROOT, key)

    assert key_of(ROOT, folder) == key
    assert folder.is_relative_to(ROOT)
    assert ".." not in folder.parts
    assert all(len(part) <= 255 for part in folder.parts)


@given(KEYS, KEYS)
def test_two_keys_never_meet_even_where_case_makes_no_difference(one: str, other: str) -> None:
    same = str(folder_of(ROOT, one)).lower() == str(folder_of(ROOT, other)).lower()

    assert same == (one == other)


@given(KEYS, KEYS)
def test_the_versions_of_a_key_do_not_lie_among_the_folders_of_longer_keys(one: str, other: str) -> None:
    assert folder_of(ROOT, one) not in folder_of(ROOT, f"{one}/{other}"[:MAX_KEY].rstrip("/.")).parents


@given(KEYS, st.integers(0, MAX_KEY))
def test_every_key_with_a_prefix_is_below_its_nearest_folder(key: str, length: int) -> None:
    nearest = nearest_folder(ROOT, key[:length])

    assert folder_of(ROOT, key).is_relative_to(nearest)
    assert folder_of(ROOT, key).relative_to(nearest).parts[0].startswith(name_beginning(key[:length]))


@pytest.mark.parametrize(
    "key",
    [
        "",
        "/",
        "..",
        "../x",
        "a/../b",
        "a/./b",
        "/etc/passwd",
        "a//b",
        "a/",
        "a b",
        "a\x00b",
        "ä",
        "a\\b",
        "a@",
        "...",
        "a" * 513,
    ],
)
def test_what_is_no_key_is_refused(key: str) -> None:
    with pytest.raises(InvalidKey):
        folder_of(ROOT, key)


@pytest.mark.parametrize("version", ["", "..", "../../../../etc/passwd", "x" * 36, "0" * 35])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(InvalidKey):
        checked_version(version)
