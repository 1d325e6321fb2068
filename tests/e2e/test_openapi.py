"""The doors' OpenAPI documents are those that are committed: a change of a door is seen in review."""

import json
from pathlib import Path

import pytest

from tests.support.doors import Callward

FOLDER = Path(__file__).parents[2] / "docs" / "openapi"
DOORS = {"ingest": "ingest", "access-gateway": "access", "audit": "audit"}


@pytest.mark.parametrize("door", sorted(DOORS))
def test_the_committed_document_is_what_is_served(callward: Callward, door: str) -> None:
    url = getattr(callward.doors, DOORS[door])
    served = callward.nobody(url).get("/openapi.json").json()
    committed = json.loads((FOLDER / f"{door}.json").read_text(encoding="utf-8"))
    assert served == committed, "the door has changed: run `make openapi`"
