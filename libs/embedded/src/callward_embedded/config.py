"""What the embedded platform is told, and where it refuses to run."""

import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Final

from callward_embedded.errors import EnvironmentRefused
from callward_embedded.places import default_data_root

#: Where a deployment says what it is.
ENVIRONMENT_VARIABLE: Final = "CALLWARD_ENV"
#: Moves the data folder.
DATA_VARIABLE: Final = "CALLWARD_DATA_DIR"
#: The names of the ports that may be fixed.
PORTS: Final = ("issuer", "ingest", "access-gateway", "audit")


@dataclass(frozen=True, slots=True)
class EmbeddedConfig:
    """The settings of the embedded platform.

    `host`: a loopback address. `ports`: fixed ones by name (see PORTS); the others are free ones, kept from start to
    start. `drain_delay`: seconds between "not ready" and the end of a stop, 0 where no load balancer has to notice.
    `durable=False` gives up what is written when the machine fails, for tests.
    """

    data_dir: Path
    host: str = "127.0.0.1"
    ports: Mapping[str, int] = field(default_factory=dict)
    token_lifetime: timedelta = timedelta(hours=1)
    drain_delay: float = 0.0
    grace: float = 10.0
    durable: bool = True
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ), repr=False)

    def __post_init__(self) -> None:
        """Raises EnvironmentRefused in production and for a bind that others could reach."""
        if self.environment.get(ENVIRONMENT_VARIABLE, "").strip().lower() == "production":
            raise EnvironmentRefused(
                f"{ENVIRONMENT_VARIABLE} is production: the embedded platform keeps keys, data and passwords on one "
                "machine, and is for development and demonstrations only."
            )
        if not _is_loopback(self.host):
            raise EnvironmentRefused("The embedded platform listens on a loopback address only.")
        unknown = sorted(self.ports.keys() - set(PORTS))
        if unknown:
            raise EnvironmentRefused(f"There is no port named {', '.join(unknown)}.")

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str], data_dir: Path | None = None
    ) -> "EmbeddedConfig":
        """Returns the settings for a data folder: the one given, the one that is named, else the default one."""
        named = environment.get(DATA_VARIABLE)
        folder = data_dir or (Path(named) if named else default_data_root(environment))
        return cls(data_dir=folder, environment=environment)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
