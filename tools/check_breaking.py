"""Holds proto/ to what was promised: against the last tag, else against the last commit.

Calls obey the profile in buf.yaml, events the stricter one in buf.events.yaml. Exits 1 on a break.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"


def base() -> str | None:
    """Return the revision to compare with: the nearest tag, else HEAD; None when neither holds protos."""
    tag = _git("describe", "--tags", "--abbrev=0")
    for revision in (tag, "HEAD"):
        if revision and _git("ls-tree", revision, "proto/"):
            return revision
    return None


def _git(*arguments: str) -> str | None:
    result = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return result.stdout.strip() or None if result.returncode == 0 else None


def compare(against: Path) -> bool:
    """Print each break with its place; True when there is none."""
    events = [f"--path={path.relative_to(ROOT)}" for path in sorted((ROOT / "proto").rglob("events.proto"))]
    profiles: list[tuple[str, list[str]]] = [("buf.yaml", [])]
    if events:
        profiles.append(("buf.events.yaml", events))
    statuses = [
        subprocess.run(
            [
                BUF,
                "breaking",
                f"--config={profile}",
                f"--against={against}",
                f"--against-config={profile}",
                *paths,
            ],
            cwd=ROOT,
            check=False,
        ).returncode
        for profile, paths in profiles
    ]
    return not any(statuses)


def main() -> int:
    """Compare; returns the exit status."""
    revision = base()
    if revision is None:
        print("buf breaking: no commit holds protos yet, so there is nothing to compare with")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        before = Path(folder) / "before.tar"
        archive = ["git", "archive", "--format=tar", f"--output={before}", revision, "proto"]
        subprocess.run(archive, cwd=ROOT, check=True)
        held = compare(before)
    print(f"buf breaking: compared with {revision}: {'no break' if held else 'broken'}")
    return 0 if held else 1


if __name__ == "__main__":
    raise SystemExit(main())
