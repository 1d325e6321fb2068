"""What key-management needs of the world, written from its own needs."""

from callward_keys.ports.transit import (
    MAX_REWRAP,
    BucketKeyAdmin,
    BucketKeyRemoval,
    BucketKeys,
    GeneratedKey,
    KeyVersions,
    Pseudonyms,
    PublicVersion,
    SigningKeys,
    Transit,
    WrappedKey,
)
from callward_keys.ports.units import (
    Buckets,
    Checkpoints,
    CheckpointUnits,
    DataKeys,
    PublicKeys,
    Unit,
    Units,
)
from callward_keys.ports.world import People, Person, Tenants, Wraps

__all__ = [
    "MAX_REWRAP",
    "BucketKeyAdmin",
    "BucketKeyRemoval",
    "BucketKeys",
    "Buckets",
    "CheckpointUnits",
    "Checkpoints",
    "DataKeys",
    "GeneratedKey",
    "KeyVersions",
    "People",
    "Person",
    "Pseudonyms",
    "PublicKeys",
    "PublicVersion",
    "SigningKeys",
    "Tenants",
    "Transit",
    "Unit",
    "Units",
    "WrappedKey",
    "Wraps",
]
