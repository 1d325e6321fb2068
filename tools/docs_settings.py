"""A table of every setting of every service, from the settings classes."""

import importlib
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr, TypeAdapter
from pydantic.fields import FieldInfo

from callward_common.settings import ServiceSettings
from tools.docs_tables import table

PACKAGES = (
    "callward_consent",
    "callward_ingest",
    "callward_keys",
    "callward_access",
    "callward_audit",
    "callward_retention",
)
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "at least", "max_length": "at most"}


def classes() -> list[type[ServiceSettings]]:
    """Return the settings class of each service."""
    found: list[type[ServiceSettings]] = []
    for package in PACKAGES:
        module = importlib.import_module(f"{package}.settings")
        found.extend(
            value
            for value in vars(module).values()
            if isinstance(value, type)
            and issubclass(value, ServiceSettings)
            and value.__module__ == module.__name__
        )
    return found


def settings() -> str:
    """Return the table."""
    rows = []
    for each in classes():
        prefix = str(each.model_config["env_prefix"])
        for name, field in each.model_fields.items():
            rows.append(
                (
                    f"`{prefix}{name.upper()}`",
                    f"`{shown(field)}`" if field.default is not None else "none",
                    ", ".join(_limits(field)),
                    field.description or "",
                )
            )
    return table(("Variable", "Default", "Limits", "What it sets"), rows)


def shown(field: FieldInfo) -> str:
    """Return a default as the environment variable would state it: durations in ISO 8601, lists in JSON."""
    if isinstance(field.default, SecretStr):
        raise TypeError("a secret has no default")
    adapter: TypeAdapter[Any] = TypeAdapter(field.annotation or Any)
    return adapter.dump_json(field.default).decode().strip('"')


def _limits(field: FieldInfo) -> Iterator[str]:
    for item in field.metadata:
        for name, sign in _BOUNDS.items():
            bound = getattr(item, name, None)
            if bound is not None:
                yield f"{sign} {TypeAdapter(type(bound)).dump_json(bound).decode().strip(chr(34))}"
        pattern = getattr(item, "pattern", None)
        if pattern is not None:
            yield f"`{pattern}`"
