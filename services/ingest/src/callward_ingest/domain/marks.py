"""Control marks: what a call platform states of a call while it runs, and the rules that every mark obeys.

A mark may add silence to the past but never take any away: an unmask or resume never lies before what was stated
last. What was promised to be silent stays so.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from callward_ingest.domain.errors import EvidenceSilenced, MarkOutOfOrder, MaskTooLong
from callward_ingest.domain.legs import overlap
from callward_ingest.domain.masking import MaskInterval


class MarkKind(StrEnum):
    """What a mark states."""

    pause = "pause"
    resume = "resume"
    mask = "mask"
    unmask = "unmask"
    hold = "hold"
    unhold = "unhold"
    transfer = "transfer"
    leg_added = "leg-added"
    announcement_played = "announcement-played"


#: What ends what.
ENDS = {MarkKind.resume: MarkKind.pause, MarkKind.unmask: MarkKind.mask, MarkKind.unhold: MarkKind.hold}
#: What silences from its moment on, and needs a reason.
SILENCING = frozenset({MarkKind.mask, MarkKind.pause})
_ENDED_BY = {begin: end for end, begin in ENDS.items()}


@dataclass(frozen=True, slots=True)
class NewMark:
    """A mark as a call platform states it. `leg_id` None: about the whole call. `until`: of a mask known beforehand."""

    kind: MarkKind
    at: datetime
    leg_id: str | None = None
    reason: str = ""
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class MarkStatement:
    """What is signed of a mark: what was stated, when it came, and the event that puts it on record."""

    mark_id: str
    call_id: str
    stated: NewMark
    received_at: datetime
    event_id: str


@dataclass(frozen=True, slots=True)
class SignedMark:
    """A signed mark: the compact JWS and the SHA-256 of its bytes."""

    jws: str
    sha256: bytes


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on record. `position` counts the call's marks from 1, in the order in which they came."""

    position: int
    statement: MarkStatement
    signed: SignedMark

    @property
    def stated(self) -> NewMark:
        """What the call platform stated."""
        return self.statement.stated


@dataclass(frozen=True, slots=True)
class Spoken:
    """The moment of an announcement, or of a consent that was spoken: it must stay to be heard."""

    at: datetime
    leg_id: str | None = None


def demand_in_order(mark: NewMark, known: Sequence[NewMark]) -> None:
    """Raises MarkOutOfOrder for an end without a beginning, or before what was stated last of the same leg.

    A mask that has lapsed is still open in this sense: its end is worth knowing.
    """
    begin = ENDS.get(mark.kind)
    if begin is None:
        return
    pair = [each for each in known if each.leg_id == mark.leg_id and each.kind in (begin, mark.kind)]
    pair = _by_time([each for each in pair if each.until is None])
    last = pair[-1] if pair else None
    if last is None or last.kind is mark.kind:
        raise MarkOutOfOrder(
            f"There is no open {begin.value} to end.", extra={"open": False, "kind": begin.value}
        )
    if mark.at < last.at:
        raise MarkOutOfOrder(
            f"It lies before the last {last.kind.value}: what was silenced stays silent.",
            extra={"open": True, "kind": begin.value},
        )


def demand_mask_length(mark: NewMark, longest: timedelta) -> None:
    """Raises MaskTooLong for a mask known beforehand that is longer than masks may be."""
    if mark.until is not None and mark.until - mark.at > longest:
        seconds = int(longest.total_seconds())
        raise MaskTooLong(f"A mask lasts at most {seconds} seconds.", extra={"limit": seconds})


def demand_heard(
    mark: NewMark, known: Sequence[NewMark], spoken: Sequence[Spoken], longest: timedelta
) -> None:
    """Raises EvidenceSilenced when this mark would leave an announcement or spoken consent in silence.

    Both ways: a silence over what was spoken, and an announcement that was played into a silence.
    """
    if mark.kind is MarkKind.announcement_played:
        demand_audible(Spoken(mark.at, mark.leg_id), known, longest)
    if mark.kind not in SILENCING:
        return
    played = [Spoken(m.at, m.leg_id) for m in known if m.kind is MarkKind.announcement_played]
    for moment in (*played, *spoken):
        if not _silent(moment, known, longest) and _silent(moment, [*known, mark], longest):
            raise _silenced()


def demand_audible(spoken: Spoken, known: Sequence[NewMark], longest: timedelta) -> None:
    """Raises EvidenceSilenced when what was spoken at this moment lies in silence."""
    if _silent(spoken, known, longest):
        raise _silenced()


def silences(marks: Sequence[NewMark], leg_id: str | None, longest: timedelta) -> tuple[MaskInterval, ...]:
    """Gives when a recording of a leg is silenced, or of the whole call where `leg_id` is None, in order.

    `marks` stand in the order in which they came.
    A recording of the whole call holds every leg, and is silenced with each of them. What nobody ended lapses
    `longest` after the last mark that opened or renewed it.
    """
    scopes = {mark.leg_id for mark in marks if mark.kind in SILENCING and overlap(mark.leg_id, leg_id)}
    found: list[MaskInterval] = []
    for scope in scopes:
        for begin in sorted(SILENCING):
            of_pair = [m for m in marks if m.leg_id == scope and m.kind in (begin, _ENDED_BY[begin])]
            found += [_known_beforehand(mark, mark.until) for mark in of_pair if mark.until is not None]
            found += _paired([mark for mark in of_pair if mark.until is None], begin, longest)
    return tuple(sorted(found, key=lambda each: (each.start, each.end)))


def _known_beforehand(mark: NewMark, until: datetime) -> MaskInterval:
    return MaskInterval(mark.at, until, mark.kind.value, closed_at=until)


def _paired(marks: Sequence[NewMark], begin: MarkKind, longest: timedelta) -> list[MaskInterval]:
    """Gives the intervals between beginnings and ends. A beginning while one is open renews it."""
    found: list[MaskInterval] = []
    under_way: tuple[datetime, datetime] | None = None  # since when, and when it lapses
    for mark in _by_time(marks):
        ends = mark.kind is not begin
        if under_way is not None and (ends or mark.at > under_way[1]):
            start, lapses = under_way
            found.append(MaskInterval(start, min(mark.at, lapses), begin.value, closed_at=mark.at))
            under_way = None
        if not ends:
            under_way = (under_way[0] if under_way else mark.at, mark.at + longest)
    if under_way is not None:
        found.append(MaskInterval(*under_way, begin.value))
    return found


def _by_time(marks: Sequence[NewMark]) -> list[NewMark]:
    # Stable: of two at one moment the one that came first is first.
    return sorted(marks, key=lambda each: each.at)


def _silent(spoken: Spoken, marks: Sequence[NewMark], longest: timedelta) -> bool:
    found = silences(marks, spoken.leg_id, longest)
    return any(each.start <= spoken.at < each.end for each in found)


def _silenced() -> EvidenceSilenced:
    return EvidenceSilenced(
        "An announcement or a spoken consent would lie in silence, where nobody hears it."
    )
