"""Tables and SQL of key-management, and its wrap objects."""

from callward_keys.store.checkpoints import DatabaseCheckpoints
from callward_keys.store.public_keys import DatabasePublicKeys
from callward_keys.store.units import DatabaseUnits
from callward_keys.store.wraps import WrapObjects

__all__ = ["DatabaseCheckpoints", "DatabasePublicKeys", "DatabaseUnits", "WrapObjects"]
