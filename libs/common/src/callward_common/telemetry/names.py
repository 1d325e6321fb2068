"""Every name of a span attribute, a metric and an extra key of a log line, declared once. Others are dropped."""

RPC_SERVICE = "rpc.service"
RPC_METHOD = "rpc.method"
RPC_STATUS = "rpc.grpc.status_code"
CALLER = "callward.caller"
CALLEE = "callward.callee"
COMPONENT = "callward.component"
ERROR_TYPE = "error.type"
HTTP_METHOD = "http.request.method"
HTTP_ROUTE = "http.route"
HTTP_STATUS = "http.response.status_code"
REQUEST_ID = "callward.request_id"
TOPIC = "messaging.destination.name"
EVENT_TYPE = "callward.event_type"
EVENT_ID = "callward.event_id"
GROUP = "messaging.consumer.group.name"

#: The attribute keys that a span may carry.
SPAN_ATTRIBUTES = frozenset(
    {RPC_SERVICE, RPC_METHOD, RPC_STATUS, CALLER, CALLEE, COMPONENT, ERROR_TYPE, HTTP_METHOD, HTTP_ROUTE}
    | {HTTP_STATUS, REQUEST_ID, TOPIC, EVENT_TYPE, EVENT_ID, GROUP}
)

RPC_DURATION = "callward.rpc.duration"
HTTP_DURATION = "callward.http.duration"
EVENTS_PUBLISHED = "callward.events.published"
EVENTS_CONSUMED = "callward.events.consumed"
OUTBOX_LAG = "callward.outbox.lag"

#: The extra keys that a log line of Callward may carry: codes, ids, counts and durations, never free text.
LOG_EXTRAS = frozenset(
    {
        "request_id",
        "method",
        "route",
        "status",
        "duration_ms",
        "error_type",
        "problem_type",
        "service",
        "caller",
    }
    | {"callee", "rpc", "topic", "partition", "offset", "event_id", "event_type", "group", "attempt", "count"}
    | {"sequence", "tenant_id", "recording_id", "call_id", "runnable", "stage", "addresses", "reason"}
)
