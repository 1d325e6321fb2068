"""The six services, built out of the embedded adapters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypedDict

from callward_common.clock import Clock
from callward_common.db.database import Database
from callward_common.events.bus import EventBus
from callward_common.grpc.client import MtlsChannels
from callward_common.jwks import JwksSource
from callward_common.runtime.service import Service
from callward_embedded.file_objects import FileObjectStore
from callward_embedded.key_ring import LocalTransit


@dataclass(frozen=True, slots=True)
class Component:
    """A service: its name in certificates, its database, and the package with its migrations."""

    name: str
    database: str
    package: str


#: The six, in the order in which they are built.
COMPONENTS: Final = (
    Component("consent", "consent", "callward_consent"),
    Component("retention", "retention", "callward_retention"),
    Component("key-management", "key_management", "callward_keys"),
    Component("ingest", "ingest", "callward_ingest"),
    Component("access-gateway", "access_gateway", "callward_access"),
    Component("audit", "audit", "callward_audit"),
)


class Common(TypedDict):
    """What every `build()` takes."""

    db: Database
    bus: EventBus
    clock: Clock
    channels: MtlsChannels


@dataclass(frozen=True, slots=True)
class Adapters:
    """What the services stand on. `databases` and `channels` are by component: nobody has another's."""

    databases: Mapping[str, Database]
    channels: Mapping[str, MtlsChannels]
    bus: EventBus
    clock: Clock
    objects: FileObjectStore
    wraps: FileObjectStore
    transit: LocalTransit
    jwks: JwksSource
    cookie_key: str

    def common(self, component: str) -> Common:
        """Returns what every service is built on, its own of each."""
        return {
            "db": self.databases[component],
            "bus": self.bus,
            "clock": self.clock,
            "channels": self.channels[component],
        }


def build_services(adapters: Adapters) -> Mapping[str, Service]:
    """Returns the services by name. Their settings come from the environment, as in production."""
    build = (_consent, _retention, _keys, _ingest, _access, _audit)
    return {service.name: service for service in (each(adapters) for each in build)}


# Each imports its service when it is built: whoever needs one adapter only does not load six services.


def _consent(adapters: Adapters) -> Service:
    from callward_consent.settings import ConsentSettings
    from callward_consent.wiring import build

    return build(ConsentSettings(), **adapters.common("consent"))


def _retention(adapters: Adapters) -> Service:
    from callward_retention.settings import RetentionSettings
    from callward_retention.wiring import build

    return build(RetentionSettings(), **adapters.common("retention"))


def _keys(adapters: Adapters) -> Service:
    from callward_keys.settings import KeysSettings
    from callward_keys.wiring import build

    common = adapters.common("key-management")
    return build(KeysSettings(), transit=adapters.transit, wraps=adapters.wraps, jwks=adapters.jwks, **common)


def _ingest(adapters: Adapters) -> Service:
    from callward_ingest.settings import IngestSettings
    from callward_ingest.wiring import build

    # Receivers of a development machine are on it.
    settings = IngestSettings(webhook_loopback=True)
    return build(settings, objects=adapters.objects, jwks=adapters.jwks, **adapters.common("ingest"))


def _access(adapters: Adapters) -> Service:
    from callward_access.settings import AccessSettings
    from callward_access.wiring import build

    settings = AccessSettings(cookie_key=adapters.cookie_key)
    return build(settings, objects=adapters.objects, jwks=adapters.jwks, **adapters.common("access-gateway"))


def _audit(adapters: Adapters) -> Service:
    from callward_audit.settings import AuditSettings
    from callward_audit.wiring import build

    return build(AuditSettings(), jwks=adapters.jwks, **adapters.common("audit"))
