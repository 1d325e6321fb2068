"""Advisory locks of the mechanisms. The two-key form is a space of its own: the one-key form is the services'."""

from typing import Final

#: First key of every lock here; any number would do.
_SPACE: Final = 0x43414C57

RELAY: Final = (_SPACE, 1)
MIGRATION: Final = (_SPACE, 2)
