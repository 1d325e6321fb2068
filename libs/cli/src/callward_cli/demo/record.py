"""Third part: all of it is on record, and the record proves itself."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from callward_cli.demo.doors import eventually, expect
from callward_cli.demo.steps import Outcome, Steps, demand
from callward_cli.demo.story import Story
from callward_cli.verify.audit import CONSISTENCY_FORMAT, verify_consistency_proof, verify_event_proof
from callward_cli.verify.receipt import verify_receipt
from callward_crypto.checkpoint import parse_checkpoint

#: What has to be on record at the end, by the last part of the event's type.
EXPECTED = frozenset(
    {
        "TenantChanged",
        "CallOpened",
        "ConsentDecided",
        "ConsentEvidenceRecorded",
        "RecordingRefused",
        "RetentionPlanned",
        "KeyIssued",
        "KeySealed",
        "DocumentSigned",
        "RecordingSealed",
        "RecordingsListed",
        "AccessGranted",
        "AccessDenied",
        "KeyOpened",
        "MediaServed",
    }
)


async def tell(story: Story, steps: Steps) -> None:
    """Run the steps."""
    await steps.run("audit", "All of it is on record, and names nobody", lambda: audit_log(story))
    await steps.run("inclusion", "One event is proved to be in the log", lambda: inclusion(story))
    await steps.run("consistency", "The log only grew", lambda: consistency(story))
    await steps.run("retention", "It is kept as long as the law says", lambda: retention(story))


async def audit_log(story: Story) -> Outcome:
    """Every act of this demo is an event of the log; no event holds what identifies somebody."""

    async def complete() -> list[str] | None:
        lines = await _pull(story)
        kinds = {json.loads(line)["metadata"]["event_code"].rsplit(".", 1)[-1] for line in lines}
        return lines if kinds >= EXPECTED else None

    lines: list[str] = await eventually(complete, "the record of all that happened")
    text = "\n".join(lines)
    demand(not any(name in text for name in story.example.identifying), "the audit log identifies somebody")
    story.learnt["events"] = [json.loads(line) for line in lines]
    counted = Counter(event["class_uid"] for event in story.learnt["events"])
    shown = ", ".join(f"{count} of class {class_uid}" for class_uid, count in sorted(counted.items()))
    return Outcome(f"{len(lines)} OCSF events: {shown}", {"events": len(lines), "classes": dict(counted)})


async def inclusion(story: Story) -> Outcome:
    """The event that the receipt names is in the log; a copy with one byte changed is not."""
    recording = story.learnt["recording"]
    url = f"{story.doors.audit}/v1/events/{recording['eventId']}/proof"
    proof: dict[str, Any] = await eventually(lambda: _json(story, url), "the proof of the recording's event")
    keys = story.learnt["keys"]
    report = verify_event_proof(proof, keys)
    demand(report.good, "the inclusion proof does not verify")
    demand(not verify_event_proof(_changed(proof), keys).good, "a changed event verifies")
    demand(
        verify_receipt(recording["receipt"], keys, (proof, report)).good,
        "the receipt is not the one on record",
    )
    return Outcome(
        f"leaf {proof['leafIndex']} of {proof['treeSize']}, {len(proof['inclusionProof'])} hashes; "
        "a copy with one byte changed does not verify",
        {"leafIndex": proof["leafIndex"], "treeSize": proof["treeSize"]},
    )


async def consistency(story: Story) -> Outcome:
    """A later checkpoint extends an earlier one."""
    log = story.learnt["events"][0]["metadata"]["log_name"]
    base = f"{story.doors.audit}/v1/logs/{log}"
    old: str = await eventually(lambda: _text(story, f"{base}/checkpoint"), "a first checkpoint")
    expect(await story.supervisor.get(f"{story.doors.access}/v1/recordings"), 200, "listing once more")

    async def grown() -> str | None:
        note = await _text(story, f"{base}/checkpoint")
        return note if note is not None and _size(note) > _size(old) else None

    new: str = await eventually(grown, "a later checkpoint")
    hashes = expect(
        await story.siem.get(f"{base}/consistency?from={_size(old)}&to={_size(new)}"),
        200,
        "the consistency proof",
    )["hashes"]
    document = {
        "format": CONSISTENCY_FORMAT,
        "origin": parse_checkpoint(old).origin,
        "old": old,
        "new": new,
        "consistencyProof": hashes,
    }
    demand(
        verify_consistency_proof(document, story.learnt["keys"]).good, "the consistency proof does not verify"
    )
    return Outcome(
        f"{_size(old)} → {_size(new)} leaves, {len(hashes)} hashes", {"old": _size(old), "new": _size(new)}
    )


async def retention(story: Story) -> Outcome:
    """The plan names the law it follows."""
    plan = story.learnt["recording"]["retention"]
    demand("70751" in plan["citation"], f"the citation is {plan['citation']}")
    return Outcome(f"until {plan['retainUntil'][:10]}, {plan['citation']}", {"retention": plan})


async def _pull(story: Story) -> list[str]:
    lines: list[str] = []
    cursor = ""
    while True:
        response = await story.siem.get(f"{story.doors.audit}/v1/events?limit=1000&cursor={cursor}")
        demand(response.status_code == 200, f"pulling events was answered with {response.status_code}")
        page = response.text.splitlines()
        lines.extend(page)
        following = response.headers["Callward-Next-Cursor"]
        if not page or following == cursor:
            return lines
        cursor = following


async def _json(story: Story, url: str) -> dict[str, Any] | None:
    response = await story.siem.get(url)
    return response.json() if response.status_code == 200 else None


async def _text(story: Story, url: str) -> str | None:
    response = await story.siem.get(url)
    return response.text if response.status_code == 200 else None


def _size(note: str) -> int:
    return parse_checkpoint(note).size


def _changed(proof: Mapping[str, Any]) -> Mapping[str, Any]:
    event = str(proof["event"])
    middle = len(event) // 2
    other = "0" if event[middle] != "0" else "1"
    return {**proof, "event": event[:middle] + other + event[middle + 1 :]}
