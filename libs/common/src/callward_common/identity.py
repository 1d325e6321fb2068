"""Who does something: a component by its certificate, a person or a machine by a token. Imports nothing heavy."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    """What kind of actor does something."""

    service = "service"
    person = "person"
    machine = "machine"
    anonymous = "anonymous"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something. `id` is the subject, client id or component name; `issuer` vouched for it."""

    kind: ActorKind
    id: str = ""
    issuer: str = ""

    def __post_init__(self) -> None:
        """Refuses an actor whose id does not fit its kind."""
        if (self.kind is ActorKind.anonymous) == bool(self.id):
            raise ValueError("an anonymous actor has no id, and every other has one")


ANONYMOUS = Actor(ActorKind.anonymous)


def service_actor(component: str) -> Actor:
    """Gives the actor that stands for a component of Callward."""
    return Actor(ActorKind.service, component)
