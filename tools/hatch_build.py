"""Puts the example call into the wheel, so that `callward demo` finds it when only the wheel is installed."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ExamplesHook(BuildHookInterface):  # type: ignore[type-arg]
    """Adds `examples/` as `callward_cli/examples`; the build of a wheel fails when the folder is missing."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to a standard wheel; an editable install reads it where it lies."""
        if self.target_name == "wheel" and version == "standard":
            build_data["force_include"]["examples"] = "callward_cli/examples"
