"""Actors in events."""

from callward.audit.v1 import actor_pb2
from callward_common.events.envelope import InvalidEnvelope
from callward_common.identity import Actor, ActorKind

_TO_PROTO = {
    ActorKind.service: actor_pb2.ACTOR_KIND_SERVICE,
    ActorKind.person: actor_pb2.ACTOR_KIND_PERSON,
    ActorKind.machine: actor_pb2.ACTOR_KIND_MACHINE,
    ActorKind.anonymous: actor_pb2.ACTOR_KIND_ANONYMOUS,
}
_FROM_PROTO = {number: kind for kind, number in _TO_PROTO.items()}


def actor_to_proto(actor: Actor) -> actor_pb2.Actor:
    """Returns the actor as it stands in events."""
    return actor_pb2.Actor(kind=_TO_PROTO[actor.kind], id=actor.id, issuer=actor.issuer)


def actor_from_proto(message: actor_pb2.Actor) -> Actor:
    """Returns the actor of an event. Raises InvalidEnvelope for a kind that is not stated or not known."""
    try:
        return Actor(_FROM_PROTO[message.kind], message.id, message.issuer)
    except (KeyError, ValueError):
        raise InvalidEnvelope("An event does not say who acted.") from None
