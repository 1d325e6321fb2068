"""Media types by the ending of a file's name."""

from pathlib import Path
from typing import Final

from callward_cli.exits import CommandError, Exit

#: What has a header of its own says what it is; raw G.711 and G.722 are declared with --media-type.
BY_ENDING: Final = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".mp4": "audio/mp4",
}


def media_type_of(path: str, given: str | None) -> str:
    """Return the media type: the one given, else by the name's ending. Raises CommandError when neither says it."""
    if given is not None:
        if not given.isascii() or not given.isprintable() or "/" not in given or len(given) > 200:
            raise CommandError("--media-type is no media type such as audio/wav", Exit.usage)
        return given
    found = BY_ENDING.get(Path(path).suffix.lower())
    if found is None:
        raise CommandError(f"{path}: say with --media-type what it is; its name does not", Exit.usage)
    return found
