"""The policies shipped with the gateway: a schema and the base policies, as files."""

from importlib import resources


def read(name: str) -> str:
    """Return the text of a file of this folder."""
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
