"""Fixtures of the tests of uploads: a sender of one call a module."""

import pytest

from tests.support.doors import Callward
from tests.support.journeys import consented_call
from tests.support.uploads import Sender


@pytest.fixture(scope="module")
def call_id(callward: Callward) -> str:
    """A call whose recording is permitted."""
    return consented_call(callward.call_platform())


@pytest.fixture(scope="module")
def sender(callward: Callward, call_id: str) -> Sender:
    """Sends to that call, on a platform with its limits as shipped: a thousand uploads may be left open."""
    return Sender(callward.call_platform(), call_id)
