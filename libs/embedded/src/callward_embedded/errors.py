"""Why the embedded platform does not start. Each message is one sentence for the person at the terminal."""


class EmbeddedError(Exception):
    """The embedded platform cannot do what was asked. The message holds no secret."""


class EnvironmentRefused(EmbeddedError):
    """The embedded platform was asked to run where it must not: in production, or beyond loopback."""


class AlreadyRunning(EmbeddedError):
    """Another process uses the data folder."""


class BinariesMissing(EmbeddedError):
    """No usable PostgreSQL binaries were found."""


class VersionMismatch(EmbeddedError):
    """The data folder was written by another major version of PostgreSQL, or another layout."""


class PlaceUnusable(EmbeddedError):
    """A folder cannot be used: not reachable for the user that needs it, or not ours."""


class StartFailed(EmbeddedError):
    """A part did not start, or ended, and the message says where its log is."""
