"""Calls, parties, evidence, revocations and decisions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TABLES = ("calls", "parties", "evidence", "revocations", "decisions")


def upgrade() -> None:
    """Create the tables, each append-only and apart by tenant."""
    run_role = ddl.run_role()
    ddl.create_mechanisms(run_role)
    _calls()
    _statements("evidence", "evidence_id", _evidence_columns())
    _statements(
        "revocations", "revocation_id", [sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=False)]
    )
    _decisions()
    for table in TABLES:
        ddl.tenant_isolation(table)
        ddl.append_only(table)
        ddl.grant(table, run_role, "SELECT, INSERT")


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", name="calls_pk"),
    )
    op.create_table(
        "parties",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("party_id", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("jurisdictions", ARRAY(sa.Text), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", "position", name="parties_pk"),
        sa.UniqueConstraint("tenant_id", "call_id", "party_id", name="parties_once"),
        _to_call("parties"),
    )


def _statements(table: str, key: str, columns: list[sa.Column[object]]) -> None:
    op.create_table(
        table,
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column(key, UUID, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("idempotency_key", sa.Text, nullable=False),
        sa.Column("party_id", sa.Text, nullable=False),
        *columns,
        sa.PrimaryKeyConstraint("tenant_id", key, name=f"{table}_pk"),
        sa.UniqueConstraint("tenant_id", "call_id", "idempotency_key", name=f"{table}_idempotency"),
        _to_call(table),
    )


def _evidence_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("offset_microseconds", sa.BigInteger),
        sa.Column("script_id", sa.Text, nullable=False),
        sa.Column("script_version", sa.Text, nullable=False),
        sa.Column("form_salt", sa.LargeBinary),
        sa.Column("form_digest", sa.LargeBinary),
    ]


def _decisions() -> None:
    op.create_table(
        "decisions",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("decision_id", UUID, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("use", sa.Text, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("reasons", ARRAY(sa.Text), nullable=False),
        sa.Column("deciding_jurisdiction", sa.Text, nullable=False),
        sa.Column("evidence_ids", ARRAY(UUID), nullable=False),
        sa.Column("rules_version", sa.Text, nullable=False),
        sa.Column("policy_version", sa.BigInteger, nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "decision_id", name="decisions_pk"),
        _to_call("decisions"),
    )
    op.create_index("decisions_by_call", "decisions", ["tenant_id", "call_id", "decided_at"])


def _to_call(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "call_id"], ["calls.tenant_id", "calls.call_id"], name=f"{table}_of_call"
    )
