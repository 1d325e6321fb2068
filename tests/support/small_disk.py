"""A file system so small that a test fills it: ENOSPC (write(2)) as the kernel gives it."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

_BALLAST, _PIECE = "ballast", 65_536
_UNPRIVILEGED: Final = ("sudo", "-n")


class SmallDisk:
    """A mounted file system of a test's own, which a file beside the data fills and empties."""

    def __init__(self, folder: Path) -> None:
        """`folder`: where it is mounted."""
        self.folder = folder
        self._ballast = folder / _BALLAST

    @property
    def free(self) -> int:
        """Bytes that can still be written."""
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def fill(self, *, leave: int = 0) -> None:
        """Leaves so many bytes free, in whole pages; 0: not one."""
        page = os.statvfs(self.folder).f_frsize
        missing = self.free - leave // page * page
        assert missing >= 0, f"there are only {self.free} bytes free"
        with self._ballast.open("ab", buffering=0) as file:
            while missing > 0:
                missing -= file.write(bytes(min(missing, _PIECE)))
        assert self.free == leave // page * page

    def make_room(self) -> None:
        """Gives back what `fill` took."""
        self._ballast.unlink()


@contextmanager
def small_disk(size: int, *, elsewhere: str) -> Iterator[SmallDisk]:
    """A tmpfs of `size` bytes, but for the folder `elsewhere` in it, which lies where other files of tests lie.

    Mounts need root, or a sudo that asks for no password. Fails where there is neither: a full disk is not skipped.
    """
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="callward-disk-")))
        root.chmod(0o711)  # as root the database runs as another user, who must pass through
        small, large = root / "small", root / "large"
        small.mkdir(mode=0o711)
        large.mkdir(mode=0o711)
        own = f"size={size},mode=711,uid={os.geteuid()},gid={os.getegid()}"
        _mounted(stack, ("-t", "tmpfs", "-o", own, "tmpfs"), small)
        outside = small / elsewhere
        outside.mkdir(parents=True, mode=0o711)
        _mounted(stack, ("--bind", str(large)), outside)
        yield SmallDisk(small)


def _mounted(stack: ExitStack, what: tuple[str, ...], where: Path) -> None:
    _as_root("mount", *what, str(where))
    stack.callback(_as_root, "umount", "--lazy", str(where))


def _as_root(*command: str) -> None:
    before = () if os.geteuid() == 0 else _UNPRIVILEGED
    done = subprocess.run([*before, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, (
        f"{' '.join(command)}: {done.stderr}; this test needs a machine that lets it mount"
    )
