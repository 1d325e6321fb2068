"""Writes docs/openapi/<door>.json: the doors' OpenAPI documents as the running platform serves them."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

import httpx

from callward_embedded.config import EmbeddedConfig
from callward_embedded.platform import Platform

TARGET = Path(__file__).parent.parent / "docs" / "openapi"


def render(document: object) -> str:
    """Return the document's text, the same for the same document."""
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


async def fetch(data_dir: Path) -> dict[str, str]:
    """Return each door's document by the door's name."""
    config = EmbeddedConfig(data_dir=data_dir, environment=dict(os.environ), durable=False)
    async with Platform(config) as platform, httpx.AsyncClient(trust_env=False) as http:
        return {
            name: render((await http.get(f"{url}/openapi.json")).raise_for_status().json())
            for name, url in sorted(platform.doors.items())
        }


def main() -> None:
    """Start a platform in a temporary folder and write the documents."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o711)
        documents = asyncio.run(fetch(Path(folder) / "data"))
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, text in documents.items():
        (TARGET / f"{name}.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
