"""Second part: somebody lists, views and listens, and others are refused."""

from callward_cli.demo.doors import PURPOSE, expect, problem
from callward_cli.demo.steps import Outcome, Steps, demand
from callward_cli.demo.story import Story


async def tell(story: Story, steps: Steps) -> None:
    """Run the steps."""
    await steps.run("list", "A supervisor's list names nobody", lambda: listing(story))
    await steps.run("purpose", "Without a purpose nobody listens", lambda: no_purpose(story))
    await steps.run(
        "second-factor", "Without a second factor nobody listens", lambda: no_second_factor(story)
    )
    await steps.run("range", "With a purpose seconds 3 to 6 are heard", lambda: by_range(story))
    await steps.run("whole", "The whole is the file that was sent", lambda: whole(story))
    await steps.run("view", "Names and numbers are opened as an act of its own", lambda: view(story))
    await steps.run("download", "Listening is not downloading", lambda: download(story))
    await steps.run("tenant", "To another tenant it does not exist", lambda: other_tenant(story))


def _recording(story: Story) -> str:
    return f"{story.doors.access}/v1/recordings/{story.learnt['recording']['recordingId']}"


async def listing(story: Story) -> Outcome:
    """The recording is listed, and nothing that identifies anybody is."""
    response = await story.supervisor.get(f"{story.doors.access}/v1/recordings")
    page = expect(response, 200, "listing")
    ids = [item["recordingId"] for item in page["recordings"]]
    demand(story.learnt["recording"]["recordingId"] in ids, "the recording is not listed")
    demand(
        not any(text in response.text for text in story.example.identifying), "the list identifies somebody"
    )
    return Outcome(f"{len(ids)} recording(s), no name, no number", {"recordings": len(ids)})


async def no_purpose(story: Story) -> Outcome:
    """A listening session without a purpose is refused."""
    response = await story.supervisor.post(f"{_recording(story)}/listening-sessions", json={})
    demand(
        (response.status_code, problem(response)) == (403, "purpose-required"),
        _saw(response.status_code, problem(response)),
    )
    return Outcome("403 purpose-required")


async def no_second_factor(story: Story) -> Outcome:
    """The same person without a one-time code is refused."""
    response = await story.supervisor_without_code.post(
        f"{_recording(story)}/listening-sessions", json={"purpose": PURPOSE}
    )
    demand(
        (response.status_code, problem(response)) == (401, "mfa-required"),
        _saw(response.status_code, problem(response)),
    )
    return Outcome("401 mfa-required")


async def by_range(story: Story) -> Outcome:
    """A session is granted for a purpose, and a range is served out of the middle."""
    response = await story.supervisor.post(
        f"{_recording(story)}/listening-sessions", json={"purpose": PURPOSE}
    )
    session = expect(response, 201, "opening a listening session")
    story.learnt["media"] = story.doors.access + session["mediaPath"]
    first, last = story.example.seconds_3_to_6
    media = await story.supervisor.get(story.learnt["media"], headers={"Range": f"bytes={first}-{last}"})
    demand(media.status_code == 206, f"the range was answered with {media.status_code} {problem(media)}")
    demand(media.content == story.example.audio[first : last + 1], "the range is not what was sent")
    return Outcome(
        f"206, {len(media.content):,} bytes, equal", {"contentRange": media.headers["Content-Range"]}
    )


async def whole(story: Story) -> Outcome:
    """The whole media is byte for byte the file that was uploaded."""
    media = await story.supervisor.get(story.learnt["media"])
    demand(media.status_code == 200, f"the media was answered with {media.status_code} {problem(media)}")
    demand(media.content == story.example.audio, "the media is not the file that was sent")
    return Outcome(f"200, {len(media.content):,} bytes, equal byte for byte", {"bytes": len(media.content)})


async def view(story: Story) -> Outcome:
    """The sealed metadata opens for a purpose, and holds what the call platform gave."""
    response = await story.supervisor.post(f"{_recording(story)}/views", json={"purpose": PURPOSE})
    expect(response, 200, "viewing")
    number = story.example.metadata["call"]["parties"][1]["telephone"]
    demand(number in response.text, "the metadata does not hold what was sealed")
    return Outcome("sealed with the call's own key, opened for a purpose, on record")


async def download(story: Story) -> Outcome:
    """A download is another right, which a supervisor does not have."""
    response = await story.supervisor.post(f"{_recording(story)}/downloads", json={"purpose": PURPOSE})
    demand(
        (response.status_code, problem(response)) == (403, "policy-forbids"),
        _saw(response.status_code, problem(response)),
    )
    return Outcome("403 policy-forbids")


async def other_tenant(story: Story) -> Outcome:
    """A supervisor of another tenant sees 404, as for an id that never was."""
    answers = [
        await story.stranger.get(_recording(story)),
        await story.stranger.post(f"{_recording(story)}/listening-sessions", json={"purpose": PURPOSE}),
        await story.stranger.get(story.learnt["media"]),
    ]
    statuses = [answer.status_code for answer in answers]
    demand(statuses == [404, 404, 404], f"the answers were {statuses}")
    return Outcome("404 for the recording, a session, and the media", {"statuses": statuses})


def _saw(status: int, kind: str) -> str:
    return f"the answer was {status} {kind}"
