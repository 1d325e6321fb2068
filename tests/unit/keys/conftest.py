"""The use cases over fakes."""

import pytest

from tests.unit.keys.fakes import World


@pytest.fixture
def world() -> World:
    return World()
