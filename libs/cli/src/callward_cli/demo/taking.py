"""First part: the call is decided upon, and its recording taken in."""

import hashlib
import json
import secrets
from base64 import b64encode
from typing import Any

from callward_cli.demo.doors import expect, problem
from callward_cli.demo.steps import Outcome, Steps, demand
from callward_cli.demo.story import Story
from callward_cli.verify.keys import read_keys
from callward_cli.verify.receipt import verify_receipt

#: As long as two thousandths of a second of the call: so much of it in a stored file would not be chance.
WINDOW = 32


async def tell(story: Story, steps: Steps) -> None:
    """Run the steps."""
    await steps.run(
        "recording-off", "Recording is off unless policy turns it on", lambda: recording_off(story)
    )
    await steps.run("decision", "California calls Texas: the strictest rule decides", lambda: decision(story))
    await steps.run("refused", "An upload without consent is refused", lambda: refused(story))
    await steps.run("evidence", "Announcement and verbal yes are evidence", lambda: evidence(story))
    await steps.run("upload", "With consent the recording is sealed", lambda: upload(story))
    await steps.run("receipt", "The receipt verifies offline", lambda: receipt(story))
    await steps.run("unreadable", "What is stored cannot be read", lambda: unreadable(story))


async def recording_off(story: Story) -> Outcome:
    """A call of a queue without a policy is not to be recorded."""
    call = {**story.example.metadata["call"], "queue": story.other_queue}
    answer = expect(
        await story.platform.post(f"{story.doors.ingest}/v1/calls", json=call), 201, "opening a call"
    )
    outcome = answer["decision"]["outcome"]
    demand(outcome == "recording-off", f"a queue without a policy was decided as {outcome}")
    return Outcome(f"queue {story.other_queue}: {outcome}", {"outcome": outcome})


async def decision(story: Story) -> Outcome:
    """California's all-party rule applies to a call with Texas, and evidence is missing."""
    call = story.example.metadata["call"]
    answer = expect(
        await story.platform.post(f"{story.doors.ingest}/v1/calls", json=call), 201, "opening a call"
    )
    found = answer["decision"]
    story.learnt["call_id"] = answer["callId"]
    rule = found["decidingRule"] or {}
    demand(found["outcome"] == "evidence-missing", f"the decision was {found['outcome']}")
    demand(
        (rule.get("jurisdiction"), rule.get("consentRule")) == ("CA", "all-party"),
        "California's rule did not decide",
    )
    demand("632" in rule["statute"], "the statute is not cited")
    return Outcome(f"all-party, {rule['statute']}: consent of the patient is missing", {"decision": found})


async def refused(story: Story) -> Outcome:
    """The upload is refused before its first byte, with the rule."""
    response = await _upload(story)
    demand(response.status_code == 403, f"the upload was answered with {response.status_code}")
    demand(problem(response) == "consent-required", f"the problem was {problem(response)}")
    document = response.json()
    demand("632" in json.dumps(document, ensure_ascii=False), "the refusal does not name the rule")
    return Outcome("403 consent-required, with the rule and what is missing", {"problem": document})


async def evidence(story: Story) -> Outcome:
    """An announcement alone is not enough here; the patient's own yes is."""
    outcomes = []
    path = f"{story.doors.ingest}/v1/calls/{story.learnt['call_id']}/evidence"
    for item in story.example.metadata["evidence"]:
        answer = expect(await story.platform.post(path, json=item), 201, "recording evidence")
        outcomes.append((item["kind"], answer["decision"]["outcome"]))
    demand(outcomes[0] == ("announcement", "evidence-missing"), "an announcement alone was taken for consent")
    demand(outcomes[-1] == ("verbal-yes", "permit"), "the verbal yes did not permit the recording")
    end = story.example.metadata["end"]
    ended = await story.platform.post(
        f"{story.doors.ingest}/v1/calls/{story.learnt['call_id']}/end", json=end
    )
    expect(ended, 200, "ending the call")
    return Outcome(" · ".join(f"{kind} → {outcome}" for kind, outcome in outcomes), {"outcomes": outcomes})


async def upload(story: Story) -> Outcome:
    """The recording is taken in and answered with a receipt; the same upload again makes no second one."""
    key = secrets.token_hex(16)
    answer = expect(await _upload(story, key), 201, "the upload")
    demand(answer["state"] == "sealed", f"the recording is {answer['state']}: {answer['reasons']}")
    again = expect(await _upload(story, key), 201, "the same upload again")
    demand(again["recordingId"] == answer["recordingId"], "a retry made a second recording")
    story.learnt["recording"] = answer
    media = answer["media"]
    return Outcome(
        f"{media['durationSeconds']:g} s of {media['codec']}, {media['channels']} channels, sealed while it arrived",
        {"recordingId": answer["recordingId"], "media": media},
    )


async def receipt(story: Story) -> Outcome:
    """The receipt's signature holds with nothing but the public keys; one changed letter breaks it."""
    document = expect(
        await story.http.get(f"{story.doors.audit}/.well-known/jwks.json"), 200, "the public keys"
    )
    keys = read_keys(document)
    story.learnt["keys"] = keys
    token = story.learnt["recording"]["receipt"]
    report = verify_receipt(token, keys, None)
    demand(report.good, "the receipt does not verify")
    demand(not verify_receipt(_changed(token), keys, None).good, "a changed receipt verifies")
    claims = report.facts
    return Outcome("signed by key-management; a changed copy does not verify", {"claims": claims})


async def unreadable(story: Story) -> Outcome:
    """No stored file holds any piece of the audio or anything that identifies somebody."""
    audio = story.example.audio
    # Silence repeats one byte and could be anywhere: only windows with some variety count.
    windows = {audio[at : at + WINDOW] for at in range(0, len(audio) - WINDOW, WINDOW)}
    telling = {window for window in windows if len(set(window)) > WINDOW // 4}
    names = [text.encode() for text in story.example.identifying]
    files = [path for path in story.object_folder.rglob("*") if path.is_file()]
    total = 0
    for path in files:
        stored = path.read_bytes()
        total += len(stored)
        pieces = {stored[at : at + WINDOW] for at in range(len(stored) - WINDOW + 1)}
        demand(not (pieces & telling), "a stored file holds a piece of the audio")
        demand(not any(name in stored for name in names), "a stored file holds what identifies somebody")
    demand(total > len(audio), "the recording is not in the store")
    return Outcome(
        f"{len(files)} files, {total:,} bytes: none holds a piece of the call",
        {"files": len(files), "bytes": total},
    )


async def _upload(story: Story, key: str | None = None) -> Any:
    audio = story.example.audio
    digest = b64encode(hashlib.sha256(audio).digest()).decode()
    return await story.platform.post(
        f"{story.doors.ingest}/v1/recordings?call={story.learnt['call_id']}",
        content=audio,
        headers={
            "Content-Type": "audio/wav",
            "Idempotency-Key": key or secrets.token_hex(16),
            "Content-Digest": f"sha-256=:{digest}:",
        },
    )


def _changed(token: str) -> str:
    header, payload, signature = token.split(".")
    middle = len(payload) // 2
    other = "A" if payload[middle] != "A" else "B"
    return f"{header}.{payload[:middle]}{other}{payload[middle + 1 :]}.{signature}"
