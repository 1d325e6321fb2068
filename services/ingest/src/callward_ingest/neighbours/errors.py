"""What becomes of a neighbour's refusal."""

import logging
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from callward_common.errors import CallwardError, Category, InternalError

_log = logging.getLogger(__name__)
_AWAY = frozenset({Category.unavailable, Category.deadline})


@contextmanager
def translated(callee: str, *, passed_on: Collection[Category] = ()) -> Iterator[None]:
    """Lets through that a neighbour is away, and the categories that are the sender's to mend.

    Any other refusal is between Callward's components: the sender could make nothing of it, or would be misled by
    it, so that it becomes an internal error and its type goes to the log.
    """
    try:
        yield
    except CallwardError as error:
        if error.category in _AWAY or error.category in passed_on:
            raise
        _log.error("a neighbour refused", extra={"callee": callee, "problem_type": error.type})
        raise InternalError("The request failed for a reason that is in the log.") from error
