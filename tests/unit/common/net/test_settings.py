"""Settings: sources, order, and problems named all at once without values."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from callward_common.settings import ServiceSettings, SettingsError


class _Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="CALLWARD_SAMPLE_")

    max_bytes: int = Field(default=10, ge=1)
    name: str = "sample"
    password: SecretStr = SecretStr("")


class _Required(_Settings):
    url: str


def test_defaults_need_no_environment() -> None:
    assert _Settings().max_bytes == 10


def test_environment_and_values_and_secret_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CALLWARD_SAMPLE_MAX_BYTES", "20")
    (tmp_path / "callward_sample_password").write_text("from-a-file")
    settings = _Settings(_secrets_dir=tmp_path, name="given")
    assert (settings.max_bytes, settings.name) == (20, "given")
    assert settings.password.get_secret_value() == "from-a-file"
    assert "from-a-file" not in repr(settings) + str(settings)


def test_every_problem_is_named_at_once_and_no_value_is_shown(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CALLWARD_SAMPLE_MAX_BYTES", "planted-value")
    monkeypatch.setenv("CALLWARD_SAMPLE_MAX_BITES", "planted-too")
    with pytest.raises(SettingsError) as refused:
        _Required(_secrets_dir=tmp_path / "missing")
    lines = refused.value.problems
    assert len(lines) == 4
    for name in (
        "CALLWARD_SAMPLE_MAX_BYTES",
        "CALLWARD_SAMPLE_MAX_BITES",
        "CALLWARD_SAMPLE_URL",
        "directory",
    ):
        assert any(name in line for line in lines), name
    assert "planted" not in str(refused.value)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        _Settings().max_bytes = 3  # type: ignore[misc]
