"""Names of logs: a year and a shard."""

import re
from datetime import datetime

from callward_audit.domain.errors import LogNotFound

SHARD = 0
_LOG = re.compile(r"[0-9]{4}-[0-9]{1,4}")


def log_name(moment: datetime) -> str:
    """Return the name of the log that takes events at `moment` (aware, UTC), for example "2026-0"."""
    return f"{moment.year:04d}-{SHARD}"


def origin(host: str, log: str) -> str:
    """Return the origin line of a log's checkpoints (C2SP tlog-checkpoint)."""
    return f"{host}/logs/{log}"


def demand_log_name(text: str) -> str:
    """Return the name, or raise LogNotFound for one that no log can have."""
    if _LOG.fullmatch(text) is None:
        raise LogNotFound("there is no log with this name")
    return text
