"""Tenants between proto and record, and the directory used by other tests."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callward.access.v1 import tenant_pb2
from callward_common.tenancy.model import IssuerRecord, QueueRule, TenantRecord
from callward_common.tenancy.projection import from_proto, to_proto
from tests.support.tenants import ACCESS_AUDIENCE, MERCY, OTHER, PEOPLE_ISSUER, StaticTenantDirectory

_text = st.text(min_size=1, max_size=8)
_issuers = st.builds(
    IssuerRecord,
    issuer=_text,
    audiences=st.frozensets(_text),
    kind=st.sampled_from(["people", "machines"]),
    jwks_uri=_text,
    mfa_methods=st.frozensets(_text),
    roles_claim=_text,
)
_queues = st.lists(st.builds(QueueRule, _text, st.booleans(), st.booleans())).map(
    lambda qs: {q.queue: q for q in qs}
)
_records = st.builds(
    TenantRecord,
    tenant_id=_text,
    display_name=_text,
    version=st.integers(0, 2**62),
    active=st.booleans(),
    entity_type=_text,
    home_state=_text,
    issuers=st.lists(_issuers, max_size=3).map(tuple),
    queues=_queues,
    retain_years=st.integers(0, 99),
    delete_after_days=st.integers(1, 999),
)


@given(_records)
def test_a_record_comes_back_as_it_went(record: TenantRecord) -> None:
    assert from_proto(tenant_pb2.Tenant.FromString(to_proto(record).SerializeToString())) == record


def test_what_is_not_stated_is_the_safe_thing() -> None:
    tenant = tenant_pb2.Tenant(
        tenant_id="t",
        issuers=[tenant_pb2.Issuer(issuer="i", audiences=["a"])],
        queues=[tenant_pb2.QueuePolicy(queue="q")],
    )
    record = from_proto(tenant)
    assert not record.active
    assert record.issuers == ()
    assert record.queues == {"q": QueueRule("q", recording_on=False, implied_consent=False)}
    assert record.delete_after_days == 30


@pytest.mark.parametrize(
    ("issuer", "audiences", "found"),
    [
        (PEOPLE_ISSUER, {ACCESS_AUDIENCE}, MERCY),
        (PEOPLE_ISSUER, {"elsewhere"}, None),
        (PEOPLE_ISSUER, set(), None),
        (PEOPLE_ISSUER + "/", {ACCESS_AUDIENCE}, None),
        (OTHER.issuers[0].issuer, {ACCESS_AUDIENCE}, OTHER),
    ],
)
def test_the_static_directory(issuer: str, audiences: set[str], found: TenantRecord | None) -> None:
    assert asyncio.run(StaticTenantDirectory().by_issuer(issuer, audiences)) == found
