"""Settings of a service: environment variables and mounted secret files; every problem is named at once."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class SettingsError(Exception):
    """The settings are wrong. `problems` has a line for each, with the variable's name and never its value."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keeps the lines and joins them for the message."""
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class ServiceSettings(BaseSettings):
    """The base of a service's settings; a subclass sets `env_prefix="CALLWARD_<SERVICE>_"`.

    Secrets are declared as SecretStr. `_secrets_dir` holds one file per secret, named as its variable. An
    environment variable with the prefix that no field knows is a problem: it is a misspelt one.
    """

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_default=True
    )

    def __init__(self, *, _secrets_dir: Path | None = None, **values: Any) -> None:
        """Reads the settings. `values` win over the environment, the environment over files. Raises SettingsError."""
        problems = list(self._unknown_variables())
        if _secrets_dir is not None and not _secrets_dir.is_dir():
            problems.append("the directory of secret files does not exist")
            _secrets_dir = None
        try:
            super().__init__(_secrets_dir=_secrets_dir, **values)
        except ValidationError as error:
            problems.extend(self._lines(error))
        if problems:
            raise SettingsError(problems)

    @classmethod
    def _variable(cls, field: str) -> str:
        return f"{cls.model_config.get('env_prefix', '')}{field}".upper()

    @classmethod
    def _unknown_variables(cls) -> Iterator[str]:
        prefix = cls._variable("")
        known = {cls._variable(field) for field in cls.model_fields}
        for name in sorted(os.environ):
            if prefix and name.upper().startswith(prefix) and name.upper() not in known:
                yield f"{name}: no such setting"

    @classmethod
    def _lines(cls, error: ValidationError) -> Iterator[str]:
        for problem in error.errors(include_input=False, include_url=False, include_context=False):
            where = ".".join(str(part) for part in problem["loc"])
            custom = problem["type"] in ("value_error", "assertion_error")
            yield f"{cls._variable(where)}: {'the value is not valid' if custom else problem['msg']}"
