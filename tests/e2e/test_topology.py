"""Who calls whom and who tells whom what: exactly as deploy/topology.yaml says, seen in traces and in the event log.

The chart's network policies and Kafka's access lists are made from that file: what is used has to be there, and what
is there has to be used.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind

from callward_common.telemetry import names
from tests.e2e.endpoints import WEBHOOK
from tests.support import journeys
from tests.support.audio import wav
from tests.support.doors import Callward, saw
from tests.support.journeys import REVOCATION, answered, ask_to_listen, media, open_call, pull, record, upload
from tests.support.platform import TEST_CALLER, RunningPlatform
from tests.support.telemetry import Telemetry
from tests.support.waiting import eventually

TOPOLOGY: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "deploy" / "topology.yaml").read_text(encoding="utf-8")
)
#: Errors of calls that reached nobody who would have answered them.
NOT_SERVED = frozenset({"caller-not-allowed", "unauthenticated", "unavailable", "deadline-exceeded"})
#: Used by who looks after a platform, not by a journey.
HEALTH = "grpc.health.v1.Health"

Edge = tuple[str, str, str]


def attribute(span: ReadableSpan, name: str) -> str:
    return str((span.attributes or {}).get(name, ""))


def by_tests(telemetry: Telemetry) -> set[int]:
    """Ids of the client spans of tests, which call with certificates of every component."""
    return {
        span.context.span_id
        for span in telemetry.spans
        if span.context is not None and attribute(span, names.CALLER).startswith(TEST_CALLER)
    }


def edges(telemetry: Telemetry) -> set[Edge]:
    """(caller, callee, service) of every call of a component that was served, as its server saw it."""
    others = by_tests(telemetry)
    return {
        (attribute(span, names.CALLER), attribute(span, names.CALLEE), attribute(span, names.RPC_SERVICE))
        for span in telemetry.spans
        if span.kind is SpanKind.SERVER
        and attribute(span, names.RPC_SERVICE) not in ("", HEALTH)
        and attribute(span, names.ERROR_TYPE) not in NOT_SERVED
        and (span.parent is None or span.parent.span_id not in others)
    }


@pytest.fixture(scope="module")
def journey(callward: Callward) -> None:
    """Everything that a caller can do, once; each service is given a reason to speak. The operator has spoken."""
    cursor = pull(callward.siem())[1]
    sender, person, siem = callward.call_platform(), callward.person(), callward.siem()
    recorded = record(callward, audio=wav(1))
    assert saw(upload(sender, open_call(sender), wav(0.2))) == (403, "consent-required")
    assert person.get("/v1/recordings").status_code == 200
    assert person.get(media(person, recorded.recording_id)).status_code == 200
    viewed = person.post(f"/v1/recordings/{recorded.recording_id}/views", json={"purpose": "HOPERAT"})
    assert viewed.status_code == 200
    proof = f"/v1/receipts/{recorded.recording_id}/proof"
    eventually(lambda: sender.get(proof).status_code == 200, "the receipt's proof")
    answered(sender.post("/v1/webhooks", json=WEBHOOK), 201)
    mark = {"kind": "transfer", "at": journeys.STARTED}
    answered(sender.post(f"/v1/calls/{recorded.call_id}/marks", json=mark), 201)
    answered(sender.post(f"/v1/calls/{recorded.call_id}/revocations", json=REVOCATION), 201)
    assert saw(ask_to_listen(person, recorded.recording_id)) == (403, "consent-forbids")
    for door in (callward.doors.ingest, callward.doors.audit):
        answered(callward.nobody(door).get("/.well-known/jwks.json"), 200)
    # A reader who may not read is told so, and on record.
    supervisor = siem.having(callward.person_token("bayview-hospital", "supervisor", "callward-audit"))
    assert saw(supervisor.get("/v1/events")) == (403, "role-missing")
    eventually(
        lambda: any(b"role-missing" in line for line in pull(siem, cursor=cursor)[0]),
        "the record of the reader's refusal",
    )


def test_calls_are_exactly_those_of_the_topology(telemetry: Telemetry, journey: None) -> None:
    listed = {(caller, rpc["of"], rpc["service"]) for rpc in TOPOLOGY["rpc"] for caller in rpc["callers"]}

    def missing() -> set[Edge]:
        return listed - edges(telemetry)

    # Watermarks are asked for in the background, about once a second.
    eventually(lambda: not missing(), f"calls that the topology lists; missing are {sorted(missing())}")
    assert edges(telemetry) == listed


def test_clients_and_servers_saw_the_same(telemetry: Telemetry, journey: None) -> None:
    servers = edges(telemetry)
    clients = {
        (attribute(span, names.CALLER), attribute(span, names.CALLEE), attribute(span, names.RPC_SERVICE))
        for span in telemetry.spans
        if span.kind is SpanKind.CLIENT and attribute(span, names.RPC_SERVICE)
    }
    assert servers <= clients


def test_a_trace_reaches_from_the_door_to_the_last_service(telemetry: Telemetry, journey: None) -> None:
    by_trace: dict[int, set[str]] = {}
    roots: dict[int, str] = {}
    for span in telemetry.spans:
        assert span.context is not None
        by_trace.setdefault(span.context.trace_id, set()).add(attribute(span, names.CALLEE))
        if span.parent is None:
            roots[span.context.trace_id] = span.name
    uploads = [trace for trace, name in roots.items() if name == "POST /v1/recordings"]
    assert any(by_trace[trace] >= {"consent", "retention", "key-management"} for trace in uploads)


def test_topics_are_exactly_those_of_the_topology(platform: RunningPlatform, journey: None) -> None:
    listed = {(topic["topic"], producer) for topic in TOPOLOGY["topics"] for producer in topic["producers"]}

    def seen() -> set[tuple[str, str]]:
        rows = platform.sql(
            "events", "SELECT DISTINCT topic, headers::text AS headers FROM log", role="admin"
        )
        return {(row["topic"], _source(row["headers"])) for row in rows}

    eventually(
        lambda: seen() >= listed, f"topics that the topology lists; missing are {sorted(listed - seen())}"
    )
    assert seen() == listed


def _source(headers: str) -> str:
    return str({name.lower().removeprefix("ce_"): value for name, value in json.loads(headers)}["source"])


def test_consumers_are_exactly_those_of_the_topology(platform: RunningPlatform, journey: None) -> None:
    """Consumer groups are named after their service: `<service>` or `<service>-<purpose>`."""
    components = [component["name"] for component in TOPOLOGY["components"]]
    listed = {(topic["topic"], consumer) for topic in TOPOLOGY["topics"] for consumer in topic["consumers"]}
    rows = platform.sql("events", "SELECT DISTINCT topic, consumer_group FROM offsets", role="admin")
    seen = {
        (row["topic"], name)
        for row in rows
        for name in components
        if row["consumer_group"] == name or row["consumer_group"].startswith(f"{name}-")
    }
    assert {row["topic"] for row in rows} == {topic for topic, _ in seen}
    assert seen == listed
