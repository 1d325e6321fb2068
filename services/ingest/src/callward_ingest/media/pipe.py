"""A bounded pipe from the loop to one worker thread: who sends waits while it is full."""

import asyncio
import threading


class PipeAbandoned(Exception):
    """The body is not wanted any more: whoever reads stops."""


class Pipe:
    """Takes bytes in the loop, gives them to a thread in exactly the amounts it asks for."""

    def __init__(self, capacity: int) -> None:
        """`capacity` in bytes. Made in a running loop."""
        self._capacity = capacity
        self._loop = asyncio.get_running_loop()
        self.room = asyncio.Event()
        self.room.set()
        self._changed = threading.Condition()
        self._held = bytearray()
        self._ended = False
        self._abandoned = False
        self._unread = False

    def write(self, data: memoryview) -> None:
        """Takes bytes, at most the capacity at once: whoever calls waits for `room` first."""
        with self._changed:
            if not self._unread:
                self._held += data
            if len(self._held) >= self._capacity:
                self.room.clear()
            self._changed.notify()

    def end(self) -> None:
        """Says that no more bytes come."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def abandon(self) -> None:
        """Makes whoever reads stop, and whoever writes go on: nothing is held any more."""
        with self._changed:
            self._abandoned = self._unread = True
            self._held.clear()
            self._changed.notify()
        self.room.set()

    def stop_reading(self) -> None:
        """Says, from the thread, that nothing more is read: what is written is dropped."""
        with self._changed:
            self._unread = True
            self._held.clear()
        self._make_room()

    def read(self, size: int) -> bytes:
        """Gives `size` bytes, fewer at the end alone: what a decoder sees never depends on how the bytes arrived.

        Blocks; called in the thread. Raises PipeAbandoned.
        """
        with self._changed:
            self._changed.wait_for(lambda: len(self._held) >= size or self._ended or self._abandoned)
            if self._abandoned:
                raise PipeAbandoned
            taken = bytes(self._held[:size])
            del self._held[:size]
            has_room = len(self._held) < self._capacity
        if has_room:
            self._make_room()
        return taken

    def _make_room(self) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.room.set)
