"""The options of protos as code reads them."""

from callward.access.v1 import events_pb2
from callward.audit.v1 import watermark_service_pb2
from callward.consent.v1 import consent_pb2
from callward.options.v1.options_pb2 import Sensitivity
from callward_common.events.options import (
    callers_of,
    component_of,
    is_enforced,
    producer_of,
    sensitivity_of,
    topic_of,
)
from tests.unit.common.events.protos import SENSITIVITIES, event, message


def test_topic_and_guarantee_of_a_message_its_class_and_its_descriptor() -> None:
    kind = events_pb2.AccessGranted
    for given in (kind(), kind, kind.DESCRIPTOR):
        assert (topic_of(given), is_enforced(given)) == ("callward.access.v1", True)
    assert (topic_of(events_pb2.MediaServed), is_enforced(events_pb2.MediaServed)) == (
        "callward.access.v1",
        False,
    )
    assert topic_of(events_pb2.TenantChanged) == "callward.tenants.v1"


def test_a_message_without_the_options_is_no_event() -> None:
    assert (topic_of(consent_pb2.Decision), is_enforced(consent_pb2.Decision)) == ("", False)


def test_a_field_without_a_statement_is_phi() -> None:
    fields = message("Part").DESCRIPTOR.fields_by_name
    for name, stated in SENSITIVITIES.items():
        assert sensitivity_of(fields[name]) == (stated or Sensitivity.SENSITIVITY_PHI)


def test_the_component_of_a_file() -> None:
    component = component_of(events_pb2.DESCRIPTOR)
    assert component is not None
    assert (component.name, component.http_door) == ("access-gateway", True)
    assert component_of(consent_pb2.DESCRIPTOR) is None
    assert component_of(event().DESCRIPTOR.file) is None


def test_the_producer_of_an_event() -> None:
    for given in (events_pb2.TenantChanged, events_pb2.TenantChanged(), events_pb2.AccessDenied.DESCRIPTOR):
        assert producer_of(given) == "access-gateway"
    assert producer_of(consent_pb2.Decision) == producer_of(event()) == ""


def test_the_callers_of_a_service() -> None:
    everybody = {"consent", "ingest", "key-management", "access-gateway", "retention", "audit"}
    assert callers_of(watermark_service_pb2.DESCRIPTOR.services_by_name["Watermark"]) == everybody
