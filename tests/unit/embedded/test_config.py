"""Where the embedded platform refuses to run."""

from pathlib import Path

import pytest

from callward_embedded.config import EmbeddedConfig
from callward_embedded.errors import EnvironmentRefused

FOLDER = Path("/nowhere")


@pytest.mark.parametrize("value", ["production", "Production", " PRODUCTION "])
def test_production_is_refused(value: str) -> None:
    with pytest.raises(EnvironmentRefused, match="production"):
        EmbeddedConfig(data_dir=FOLDER, environment={"CALLWARD_ENV": value})


@pytest.mark.parametrize("environment", [{}, {"CALLWARD_ENV": "development"}])
def test_anything_else_is_not(environment: dict[str, str]) -> None:
    assert EmbeddedConfig(data_dir=FOLDER, environment=environment).host == "127.0.0.1"


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.0.2.1", "localhost", "callward.example", "", "127.0.0.1.example"]
)
def test_an_address_that_others_may_reach_is_refused(host: str) -> None:
    with pytest.raises(EnvironmentRefused, match="loopback"):
        EmbeddedConfig(data_dir=FOLDER, host=host, environment={})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1"])
def test_a_loopback_address_is_taken(host: str) -> None:
    assert EmbeddedConfig(data_dir=FOLDER, host=host, environment={}).host == host


def test_an_unknown_port_name_is_refused() -> None:
    with pytest.raises(EnvironmentRefused, match="ingress"):
        EmbeddedConfig(data_dir=FOLDER, ports={"ingress": 80}, environment={})


def test_the_data_folder_comes_from_its_variable_unless_it_is_given() -> None:
    environment = {"CALLWARD_DATA_DIR": "/named"}

    assert EmbeddedConfig.from_environment(environment).data_dir == Path("/named")
    assert EmbeddedConfig.from_environment(environment, Path("/given")).data_dir == Path("/given")
