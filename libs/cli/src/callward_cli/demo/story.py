"""The story that the demo tells: what is promised at each step, and what has to be seen."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from callward_cli.demo import listening, record, taking
from callward_cli.demo.doors import Client, Doors
from callward_cli.demo.example import ExampleCall
from callward_cli.demo.steps import Steps


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


async def tell(story: Story, steps: Steps) -> None:
    """Run every step in order."""
    await taking.tell(story, steps)
    await listening.tell(story, steps)
    await record.tell(story, steps)
