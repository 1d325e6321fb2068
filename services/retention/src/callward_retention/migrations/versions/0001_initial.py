"""Plans."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table of plans, append-only and apart by tenant."""
    run_role = ddl.run_role()
    ddl.create_mechanisms(run_role)
    op.create_table(
        "plans",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("plan_id", UUID, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("retention_class", sa.Text, nullable=False),
        sa.Column("years", sa.Integer, nullable=False),
        sa.Column("clock_start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("retain_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("delete_after", sa.DateTime(timezone=True), nullable=False),
        sa.Column("jurisdiction", sa.Text, nullable=False),
        sa.Column("entity_type", sa.Text, nullable=False),
        sa.Column("basis", ARRAY(sa.Text), nullable=False),
        sa.Column("policy_version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "plan_id", name="plans_pk"),
        sa.CheckConstraint("clock_start < retain_until AND retain_until <= delete_after", name="plans_order"),
    )
    op.create_index("plans_by_call", "plans", ["tenant_id", "call_id"])
    ddl.tenant_isolation("plans")
    ddl.append_only("plans")
    ddl.grant("plans", run_role, "SELECT, INSERT")
