"""What is plugged into what, for listening."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from callward_access.app.guard import Guard
from callward_access.app.listening import ListeningApp
from callward_access.app.peaks import PeaksApp
from callward_access.app.playback import ListeningRules, Player
from callward_access.app.playing import Remembered
from callward_access.app.recordings import RecordingsApp
from callward_access.app.sessions import Sessions
from callward_access.ports import Consent, Keys, MediaReader, Units
from callward_common.clock import Clock


@dataclass(frozen=True)
class Listening:
    """The use cases of listening, and what they remember together."""

    media: ListeningApp
    peaks: PeaksApp
    remembered: Remembered


def build_listening(
    guard: Guard,
    finder: RecordingsApp,
    consent: Consent,
    keys: Keys,
    media: MediaReader,
    units: Units,
    clock: Clock,
    rules: ListeningRules,
    *,
    max_sessions: int,
    max_peaks_bytes: int,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> Listening:
    """Build the use cases of listening out of the ports."""
    sessions, remembered = Sessions(guard, units, clock), Remembered(clock, max_sessions)
    player = Player(guard, finder, sessions, consent, keys, media, clock, rules, sleep)
    listening = ListeningApp(guard, finder, sessions, consent, media, units, player, clock, rules, remembered)
    peaks = PeaksApp(
        guard,
        finder,
        sessions,
        consent,
        keys,
        media,
        units,
        player,
        clock,
        remembered,
        max_bytes=max_peaks_bytes,
    )
    return Listening(listening, peaks, remembered)
