"""What the steps of the demo share."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from callward_cli.demo.doors import Client, Doors
from callward_cli.demo.example import ExampleCall


@dataclass
class Story:
    """What the steps share: the doors, who acts, and what was learnt on the way."""

    http: httpx.AsyncClient
    doors: Doors
    example: ExampleCall
    platform: Client
    supervisor: Client
    supervisor_without_code: Client
    stranger: Client
    siem: Client
    object_folder: Path
    other_queue: str
    learnt: dict[str, Any] = field(default_factory=dict)
