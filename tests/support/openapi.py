"""Walks a door's OpenAPI document: every operation, and every place for a text in a body."""

import copy
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.doors import Client

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
#: Where in a body: names of fields and positions in lists.
Place = tuple[str | int, ...]


@dataclass(frozen=True)
class Operation:
    """One operation of a door. `schema` is that of its JSON body, or None; `media_type` the body's."""

    method: str
    path: str
    parameters: tuple[Mapping[str, Any], ...]
    schema: Mapping[str, Any] | None
    media_type: str = "application/json"

    @property
    def named(self) -> str:
        """Method and path: how tests name it."""
        return f"{self.method.upper()} {self.path}"

    def parameters_in(self, where: str) -> list[str]:
        """Names of the parameters in "path", "query" or "header"."""
        return [each["name"] for each in self.parameters if each["in"] == where]


class Document:
    """An OpenAPI 3.1 document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        """`document` as the door serves it."""
        assert document["openapi"].startswith("3.1")
        self.document = document

    @classmethod
    def of(cls, door: Client) -> "Document":
        """Asks a door."""
        answer = door.get("/openapi.json")
        assert answer.status_code == 200, answer.text
        return cls(answer.json())

    def operations(self) -> Iterator[Operation]:
        """Yields every operation."""
        for path, item in self.document["paths"].items():
            for method in METHODS:
                if method in item:
                    operation = item[method]
                    content = operation.get("requestBody", {}).get("content", {})
                    media_type = next((kind for kind in content if kind.endswith("json")), "application/json")
                    yield Operation(
                        method,
                        path,
                        (*item.get("parameters", ()), *operation.get("parameters", ())),
                        content.get(media_type, {}).get("schema"),
                        media_type,
                    )

    def texts(self, schema: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
        """Yields the place and schema of every text in a body; of lists, the first item."""
        for place, found in self._walk(schema, ()):
            if found.get("type") == "string" or "enum" in found:
                yield place, found

    def objects(self, schema: Mapping[str, Any]) -> Iterator[Place]:
        """Yields the place of every object in a body."""
        for place, found in self._walk(schema, ()):
            if "properties" in found:
                yield place

    def _walk(self, schema: Mapping[str, Any], place: Place) -> Iterator[tuple[Place, Mapping[str, Any]]]:
        if "$ref" in schema:
            schema = self.document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[-1]]
        for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ()), *schema.get("allOf", ())):
            yield from self._walk(option, place)
        if schema.get("type") in ("string", "object") or "enum" in schema:
            yield place, schema
        for name, child in schema.get("properties", {}).items():
            yield from self._walk(child, (*place, name))
        if "items" in schema:
            yield from self._walk(schema["items"], (*place, 0))


def put(body: Any, place: Place, value: Any) -> Any:
    """Returns a copy of `body` with `value` at `place`; lists and objects on the way are made where missing."""
    changed = copy.deepcopy(body)
    at = changed
    for step, following in itertools.pairwise(place):
        missing: Any = [] if isinstance(following, int) else {}
        if isinstance(step, int):
            if len(at) <= step:
                at.append(missing)
        else:
            at.setdefault(step, missing)
        at = at[step]
    last = place[-1]
    if isinstance(last, int) and len(at) <= last:
        at.append(value)
    else:
        at[last] = value
    return changed
