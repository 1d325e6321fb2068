"""Redaction by descriptor: what is not stated to be harmless is not shown."""

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from callward.access.v1 import events_pb2, tenant_pb2
from callward.options.v1 import options_pb2
from callward_common.telemetry.redaction import PSEUDONYM, REDACTED, redact

Field = descriptor_pb2.FieldDescriptorProto


def _sample() -> type[Message]:
    """Makes a message with a field of each sensitivity; `unstated` has none."""
    file = descriptor_pb2.FileDescriptorProto(
        name="callward/sample.proto",
        package="callward.sample",
        syntax="proto3",
        dependency=["callward/options/v1/options.proto", "google/protobuf/timestamp.proto"],
    )
    message = file.message_type.add(name="Sample")
    kinds = {"public": 1, "operational": 2, "pseudonym": 3, "secret": 4, "phi": 5, "unstated": 0}
    for number, (name, sensitivity) in enumerate(kinds.items(), 1):
        field = message.field.add(
            name=name, number=number, type=Field.TYPE_STRING, label=Field.LABEL_OPTIONAL
        )
        if sensitivity:
            field.options.Extensions[options_pb2.sensitivity] = options_pb2.Sensitivity.ValueType(sensitivity)
    more = [
        ("data", Field.TYPE_BYTES, Field.LABEL_OPTIONAL, ""),
        ("at", Field.TYPE_MESSAGE, Field.LABEL_OPTIONAL, ".google.protobuf.Timestamp"),
        ("inner", Field.TYPE_MESSAGE, Field.LABEL_REPEATED, ".callward.sample.Sample"),
    ]
    for number, (name, kind, label, type_name) in enumerate(more, 10):
        field = message.field.add(
            name=name, number=number, type=kind, label=label, type_name=type_name or None
        )
        field.options.Extensions[options_pb2.sensitivity] = options_pb2.SENSITIVITY_OPERATIONAL
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("callward.sample.Sample"))


Sample = _sample()


def test_each_sensitivity() -> None:
    values = dict.fromkeys(("public", "operational", "pseudonym", "secret", "phi", "unstated"), "planted")
    message = Sample(
        **values, data=b"planted", at=Timestamp(seconds=0), inner=[Sample(phi="planted", public="p")]
    )
    assert redact(message) == {
        "public": "planted",
        "operational": "planted",
        "pseudonym": PSEUDONYM,
        "secret": REDACTED,
        "phi": REDACTED,
        "unstated": REDACTED,
        "data": REDACTED,
        "at": "1970-01-01T00:00:00Z",
        "inner": [{"public": "p", "phi": REDACTED}],
    }


@given(st.text(min_size=1), st.text(min_size=1))
def test_nothing_sensitive_comes_through(secret: str, shown: str) -> None:
    marked = f"<<{secret}>>".encode("utf-8", "ignore").decode()
    kept = shown.encode("utf-8", "ignore").decode().replace("<", "").replace(">", "")
    inner = Sample(
        phi=marked, secret=marked, pseudonym=marked, unstated=marked, data=marked.encode(), public=kept
    )
    assert "<<" not in str(redact(Sample(inner=[inner, inner], unstated=marked)))


def test_a_real_event() -> None:
    tenant = tenant_pb2.Tenant(tenant_id="mercy", status=tenant_pb2.TENANT_STATUS_ACTIVE, version=2)
    assert redact(events_pb2.TenantChanged(tenant=tenant)) == {
        "tenant": {"tenant_id": "mercy", "version": 2, "status": "TENANT_STATUS_ACTIVE"}
    }
