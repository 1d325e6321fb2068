"""Keeps plans in PostgreSQL. The table is append-only."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from callward_common.db import Database
from callward_retention import events
from callward_retention.domain.model import Plan
from callward_retention.ports import Planned

METADATA = sa.MetaData()

PLANS = sa.Table(
    "plans",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("plan_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("retention_class", sa.Text, nullable=False),
    sa.Column("years", sa.Integer, nullable=False),
    sa.Column("clock_start", sa.DateTime(timezone=True), nullable=False),
    sa.Column("retain_until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
    sa.Column("jurisdiction", sa.Text, nullable=False),
    sa.Column("entity_type", sa.Text, nullable=False),
    sa.Column("basis", ARRAY(sa.Text), nullable=False),
    sa.Column("policy_version", sa.Text, nullable=False),
)


class DatabasePlans:
    """Keeps plans, each with its event, in one transaction."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, tenant_id: str, event: Planned) -> None:
        """Keep a plan and tell the others, together."""
        async with self._db.transaction(tenant_id) as transaction:
            await transaction.connection.execute(sa.insert(PLANS).values(_values(tenant_id, event.plan)))
            transaction.emit(events.to_message(event), key=event.plan.call_id, tenant=tenant_id)


def _values(tenant_id: str, plan: Plan) -> dict[str, object]:
    return {
        "tenant_id": tenant_id,
        "plan_id": plan.plan_id,
        "call_id": plan.call_id,
        "retention_class": plan.retention_class,
        "years": plan.years,
        "clock_start": plan.clock_start,
        "retain_until": plan.retain_until,
        "delete_after": plan.delete_after,
        "jurisdiction": plan.row.jurisdiction,
        "entity_type": plan.row.entity_type,
        "basis": list(plan.basis),
        "policy_version": plan.policy_version,
    }
