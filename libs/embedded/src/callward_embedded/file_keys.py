"""Keys of objects as paths of files: no key leaves the folder, and no two keys meet, on any file system."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from callward_common.errors import InvalidRequest

#: The most characters of a key, as in `callward_common.objects.store`.
MAX_KEY: Final = 512
#: Characters of a folder's name; file systems take 255 bytes.
_PIECE: Final = 120
_SEGMENT = re.compile(r"[A-Za-z0-9._-]+")
_VERSION = re.compile(r"[0-9a-f-]{36}")


class InvalidKey(InvalidRequest):
    """A key or version of an object is not of the form that stores take."""

    type = "invalid-object-key"
    title = "Invalid object key"


def folder_of(root: Path, key: str) -> Path:
    """Returns the folder of the versions of `key`: the last of its segments ends in "@". Raises InvalidKey."""
    segments = key.split("/")
    if len(key) > MAX_KEY or not all(_SEGMENT.fullmatch(each) and each.strip(".") for each in segments):
        raise InvalidKey(
            f"A key is of segments of A-Z, a-z, 0-9, '.', '_' and '-' joined by '/', none of dots alone, "
            f"at most {MAX_KEY} characters."
        )
    folders = [*(piece for each in segments[:-1] for piece in _pieces(each)), *_pieces(segments[-1])]
    folders[-1] += "@"
    return root.joinpath(*folders)


def checked_version(version_id: str) -> str:
    """Returns a version id when it has the form of one. Raises InvalidKey."""
    if _VERSION.fullmatch(version_id) is None:
        raise InvalidKey("A version id is not of the form that this store gives.")
    return version_id


def key_of(root: Path, folder: Path) -> str:
    """Returns the key whose versions are in `folder`: the reverse of `folder_of`."""
    key = ""
    for name in folder.relative_to(root).parts:
        key += re.sub(r"~([a-z])", lambda match: match.group(1).upper(), name.rstrip("+@"))
        key += "" if name.endswith("+") else "/"
    return key[:-1]


def nearest_folder(root: Path, prefix: str) -> Path:
    """Returns a folder below which are all keys that start with `prefix`."""
    whole = prefix.rpartition("/")[0]
    return folder_of(root, f"{whole}/x").parent if whole else root


def name_beginning(prefix: str) -> str:
    """Returns how the folders in `nearest_folder` begin below which are keys that start with `prefix`."""
    # One character short of a whole piece: that last one may be the "~" of a letter that went to the next piece.
    return next(_pieces(prefix.rpartition("/")[2])).removesuffix("+")[: _PIECE - 1]


def _pieces(segment: str) -> Iterator[str]:
    """Upper case is written as "~" and lower case, for file systems that make no difference; "+" continues."""
    written = "".join(f"~{each.lower()}" if each.isupper() else each for each in segment)
    while len(written) > _PIECE:
        # Never between "~" and its letter.
        cut = _PIECE - 1 if written[_PIECE - 1] == "~" else _PIECE
        yield f"{written[:cut]}+"
        written = written[cut:]
    yield written
