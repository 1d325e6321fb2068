"""The six services, built out of the embedded adapters."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

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


def build_services(adapters: Adapters) -> Mapping[str, Service]:
    """Returns the services by name. Their settings come from the environment, as in production."""
    from callward_access.settings import AccessSettings
    from callward_access.wiring import build as build_access
    from callward_audit.settings import AuditSettings
    from callward_audit.wiring import build as build_audit
    from callward_consent.settings import ConsentSettings
    from callward_consent.wiring import build as build_consent
    from callward_ingest.settings import IngestSettings
    from callward_ingest.wiring import build as build_ingest
    from callward_keys.settings import KeysSettings
    from callward_keys.wiring import build as build_keys
    from callward_retention.settings import RetentionSettings
    from callward_retention.wiring import build as build_retention

    db, to = adapters.databases, adapters.channels
    bus, clock, jwks = adapters.bus, adapters.clock, adapters.jwks
    objects, wraps, transit = adapters.objects, adapters.wraps, adapters.transit
    name = "consent"
    consent = build_consent(ConsentSettings(), db=db[name], bus=bus, clock=clock, channels=to[name])
    name = "retention"
    retention = build_retention(RetentionSettings(), db=db[name], bus=bus, clock=clock, channels=to[name])
    name = "key-management"
    keys = build_keys(
        KeysSettings(),
        db=db[name],
        bus=bus,
        clock=clock,
        channels=to[name],
        transit=transit,
        wraps=wraps,
        jwks=jwks,
    )
    name = "ingest"
    ingest = build_ingest(
        IngestSettings(), db=db[name], bus=bus, clock=clock, channels=to[name], objects=objects, jwks=jwks
    )
    name = "access-gateway"
    settings = AccessSettings(cookie_key=adapters.cookie_key)
    access = build_access(
        settings, db=db[name], bus=bus, clock=clock, channels=to[name], objects=objects, jwks=jwks
    )
    name = "audit"
    audit = build_audit(AuditSettings(), db=db[name], bus=bus, clock=clock, channels=to[name], jwks=jwks)
    return {service.name: service for service in (consent, retention, keys, ingest, access, audit)}
