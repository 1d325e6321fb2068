"""Manifests as they may be relied on: checked once, remembered by hash, and found in by offset without a walk."""

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from google.protobuf.message import DecodeError

from callward.ingest.v1 import manifest_pb2
from callward_access.domain.errors import IntegrityFailure
from callward_access.domain.model import Recording, Rendition
from callward_crypto.keys import FORMAT, rendition_label
from callward_crypto.streaming import HEADER_SIZE, StreamError, ciphertext_size

#: What a signed 64-bit size can state at most.
MAX_SIZE = 2**63 - 1
_SHA256_SIZE = 32

Part: TypeAlias = manifest_pb2.Part


@dataclass(frozen=True)
class Track:
    """One rendition's parts in order. `begins` has the plaintext offset of each part, and the whole size at the end."""

    rendition: Rendition
    parts: Sequence[Part]
    begins: Sequence[int]

    def part_at(self, offset: int) -> int:
        """Return the number of the part that holds plaintext byte `offset`; 0 in an empty rendition."""
        return min(bisect_right(self.begins, offset), len(self.parts)) - 1


@dataclass(frozen=True)
class _Checked:
    """A manifest that contradicts nothing. `named`: format, tenant and recording, as it states them."""

    named: tuple[str, str, str]
    tracks: Mapping[str, Track]
    part_count: int


class Manifests:
    """Checks manifests. Those used last are remembered, up to so many parts in all: a seek checks nothing anew."""

    def __init__(self, known_parts: int) -> None:
        """`known_parts`: how many parts of all remembered manifests together; one of them takes about 0.3 KB."""
        self._known_parts = known_parts
        self._known: OrderedDict[bytes, _Checked] = OrderedDict()
        self._held = 0

    def track(self, tenant_id: str, recording: Recording, name: str) -> Track | None:
        """Return a rendition's track, or None where the recording has no such rendition. Raises IntegrityFailure.

        Whether the manifest is the one registered at sealing shows only with the key: who opens it compares.
        """
        checked = self._checked(recording)
        if checked.named != (FORMAT, tenant_id, recording.summary.recording_id):
            raise IntegrityFailure("the manifest belongs to something else")
        return checked.tracks.get(name)

    def _checked(self, recording: Recording) -> _Checked:
        digest = recording.manifest.sha256
        found = self._known.get(digest)
        if found is None:
            found = self._known[digest] = _check(recording.manifest.raw)
            self._held += found.part_count
        self._known.move_to_end(digest)
        while self._held > self._known_parts and len(self._known) > 1:
            self._held -= self._known.popitem(last=False)[1].part_count
        return found


def _check(raw: bytes) -> _Checked:
    try:
        manifest = manifest_pb2.Manifest.FromString(raw)
    except DecodeError as error:
        raise IntegrityFailure("the manifest cannot be read") from error
    tracks: dict[str, Track] = {}
    objects: set[str] = set()
    for each in manifest.renditions:
        if each.name in tracks:
            raise IntegrityFailure("the manifest has two renditions of one name")
        tracks[each.name] = _track(each, objects)
    named = (manifest.format, manifest.tenant_id, manifest.recording_id)
    return _Checked(named, tracks, sum(len(track.parts) for track in tracks.values()))


def _track(each: manifest_pb2.Rendition, objects: set[str]) -> Track:
    """Check one rendition. `objects`: the keys that parts before it named; it grows by this one's."""
    try:
        rendition_label(each.name)
    except ValueError as error:
        raise IntegrityFailure("a rendition has no possible name") from error
    begins = _begins(each.parts)
    for part in each.parts:
        if not part.object_key or part.object_key in objects:
            raise IntegrityFailure("two parts are said to be one object")
        objects.add(part.object_key)
    return Track(Rendition(each.name, each.media_type, begins[-1]), each.parts, begins)


def _begins(parts: Iterable[Part]) -> "array[int]":
    begins, size = array("q", [0]), 0
    for part in parts:
        _check_part(part)
        size += part.plaintext_size
        if size > MAX_SIZE:
            raise IntegrityFailure("the parts are larger together than anything can be")
        begins.append(size)
    if len(begins) == 1:
        raise IntegrityFailure("a rendition has no part")
    if len(begins) > 2 and any(begins[number] == begins[number + 1] for number in range(len(begins) - 1)):
        raise IntegrityFailure("a part beside others is empty")
    return begins


def _check_part(part: Part) -> None:
    try:
        consistent = ciphertext_size(part.plaintext_size) == part.ciphertext_size
    except StreamError as error:
        raise IntegrityFailure("a part has an impossible size") from error
    if not consistent:
        raise IntegrityFailure("the sizes of a part contradict each other")
    header = part.header
    if len(header) != HEADER_SIZE or header[0] != HEADER_SIZE:
        raise IntegrityFailure("a part has no possible header")
    if len(part.ciphertext_sha256) != _SHA256_SIZE:
        raise IntegrityFailure("a part has no digest")
