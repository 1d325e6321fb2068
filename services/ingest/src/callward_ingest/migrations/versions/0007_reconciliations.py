"""Reconciliations: what somebody placed, compared with what is here. Ids, codes and numbers alone."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_FINDINGS = "finding IN ('matched', 'missing', 'unexpected', 'incomplete', 'duplicate')"
_COUNTS = ("matched", "missing", "unexpected", "incomplete", "duplicate")


def upgrade() -> None:
    """Creates the tables, append-only, and the index by which calls of a range are found."""
    _reconciliations()
    _items()
    op.create_index("calls_by_start", "calls", ["tenant_id", "started_at"])
    for table in ("reconciliations", "reconciliation_items"):
        ddl.tenant_isolation(table)
        ddl.append_only(table)
        ddl.grant(table, ddl.run_role(), "SELECT, INSERT")


def _reconciliations() -> None:
    op.create_table(
        "reconciliations",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("reconciliation_id", UUID, nullable=False),
        sa.Column("range_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("range_to", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("actor_issuer", sa.Text, nullable=False),
        *(sa.Column(name, sa.Integer, nullable=False) for name in _COUNTS),
        sa.PrimaryKeyConstraint("tenant_id", "reconciliation_id", name="reconciliations_pk"),
        sa.CheckConstraint("range_from < range_to", name="reconciliations_range"),
    )


def _items() -> None:
    op.create_table(
        "reconciliation_items",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("reconciliation_id", UUID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("position", sa.Integer),
        sa.Column("finding", sa.Text, nullable=False),
        sa.Column("details", ARRAY(sa.Text), nullable=False),
        sa.Column("call_id", UUID),
        sa.Column("other_call_ids", ARRAY(UUID), nullable=False),
        sa.Column("duplicate_of", sa.Integer),
        sa.PrimaryKeyConstraint("tenant_id", "reconciliation_id", "number", name="reconciliation_items_pk"),
        sa.CheckConstraint(_FINDINGS, name="reconciliation_items_findings"),
        # What was named has its place in the request; what was not has a call.
        sa.CheckConstraint(
            "(position IS NULL) = (finding = 'unexpected') AND (position IS NOT NULL OR call_id IS NOT NULL)",
            name="reconciliation_items_named",
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "reconciliation_id"],
            ["reconciliations.tenant_id", "reconciliations.reconciliation_id"],
            name="reconciliation_items_of",
        ),
    )
    op.create_index(
        "reconciliation_items_by_finding",
        "reconciliation_items",
        ["tenant_id", "reconciliation_id", "finding", "number"],
    )
