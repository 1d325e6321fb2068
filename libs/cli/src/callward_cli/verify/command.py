"""`callward verify`: reads files and prints what holds."""

import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape

from callward_cli.exits import CommandError, Exit
from callward_cli.verify.audit import (
    CONSISTENCY_FORMAT,
    INCLUSION_FORMAT,
    verify_consistency_proof,
    verify_event_proof,
)
from callward_cli.verify.keys import PublicKeys, read_keys
from callward_cli.verify.mark import is_mark, verify_mark
from callward_cli.verify.receipt import verify_receipt
from callward_cli.verify.report import Report

MAX_FILE = 4 * 1024 * 1024


def verify_file(path: Path, keys_path: Path | None, proof_path: Path | None) -> Report:
    """Verify one file offline. Raises CommandError for files that cannot be understood."""
    document = read_document(path)
    keys, pinned = _keys(document, keys_path)
    report = _verify(document, keys, proof_path)
    if not pinned:
        report.unchecked.append(
            "that the public keys are Callward's: they came with the file; give yours with --keys"
        )
    return report


def _verify(document: Any, keys: PublicKeys, proof_path: Path | None) -> Report:
    if isinstance(document, str):
        return _verify_token(document, keys, _proof(proof_path, keys))
    if isinstance(document, dict) and document.get("format") == INCLUSION_FORMAT:
        return verify_event_proof(document, keys)
    if isinstance(document, dict) and document.get("format") == CONSISTENCY_FORMAT:
        return verify_consistency_proof(document, keys)
    for member in ("receipt", "statement"):
        if isinstance(document, dict) and isinstance(document.get(member), str):
            return _verify_token(document[member], keys, _proof(proof_path, keys))
    raise CommandError("the file is neither a receipt nor a mark nor a proof that Callward makes", Exit.usage)


def _verify_token(token: str, keys: PublicKeys, proof: tuple[dict[str, Any], Report] | None) -> Report:
    if is_mark(token):
        return verify_mark(token, keys, proof)
    return verify_receipt(token, keys, proof)


def _proof(path: Path | None, keys: PublicKeys) -> tuple[dict[str, Any], Report] | None:
    if path is None:
        return None
    document = read_document(path)
    if not isinstance(document, dict) or document.get("format") != INCLUSION_FORMAT:
        raise CommandError("the file given with --proof is no proof of an event", Exit.usage)
    return document, verify_event_proof(document, keys)


def _keys(document: Any, path: Path | None) -> tuple[PublicKeys, bool]:
    if path is not None:
        return read_keys(read_document(path)), True
    if isinstance(document, dict) and "keys" in document:
        return read_keys(document["keys"]), False
    raise CommandError(
        "say with --keys which public keys to trust (a file as /.well-known/jwks.json gives it)", Exit.usage
    )


def read_document(path: Path) -> Any:
    """Return a file's JSON, or its text where it is a bare token."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        if len(raw) > MAX_FILE:
            raise CommandError(f"{path.name} is larger than {MAX_FILE // 1024 // 1024} MiB", Exit.usage)
        text = raw.decode().strip()
    except OSError as error:
        raise CommandError(f"{path.name} cannot be read: {error.strerror}", Exit.usage) from error
    except UnicodeDecodeError as error:
        raise CommandError(f"{path.name} is not text", Exit.usage) from error
    if text.count(".") == 2 and text.isascii() and not text.startswith(("{", "[")):
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path.name} is neither JSON nor a signed token", Exit.usage) from error


def show(report: Report, console: Console) -> None:
    """Print a report: what it is, what holds, what was not checked."""
    verdict = "[green]verified[/green]" if report.good else "[red]does not verify[/red]"
    console.print(f"{report.kind}: {verdict}", highlight=False)
    for check in report.checks:
        mark = "[green]✓[/green]" if check.holds else "[red]✗[/red]"
        # Details hold texts of the file, which are not ours to interpret.
        console.print(f"  {mark} {check.name}: {escape(check.detail)}", highlight=False, soft_wrap=True)
    for text in report.unchecked:
        console.print(f"  [yellow]?[/yellow] not checked: {text}", highlight=False, soft_wrap=True)
