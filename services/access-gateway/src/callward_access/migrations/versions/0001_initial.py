"""Listening sessions and the register of tenants."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

from callward_common.db import ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables. The register's span tenants: only operators reach them, through one gRPC service."""
    run_role = ddl.run_role()
    ddl.create_mechanisms(run_role)
    _sessions()
    ddl.tenant_isolation("listening_sessions")
    ddl.grant("listening_sessions", run_role, "SELECT, INSERT, UPDATE (closed)")
    _register()
    ddl.grant("tenant_register", run_role, "SELECT, INSERT, UPDATE")
    ddl.grant("tenant_audiences", run_role, "SELECT, INSERT, DELETE")


def _sessions() -> None:
    op.create_table(
        "listening_sessions",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("session_id", UUID, nullable=False),
        sa.Column("recording_id", UUID, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("rendition", sa.Text, nullable=False),
        sa.Column("grant_event_id", UUID, nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("tenant_id", "session_id", name="listening_sessions_pk"),
        sa.CheckConstraint("opened_at < expires_at", name="listening_sessions_times"),
    )


def _register() -> None:
    op.create_table(
        "tenant_register",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="tenant_register_pk"),
    )
    op.create_table(
        "tenant_audiences",
        sa.Column("issuer", sa.Text, nullable=False),
        sa.Column("audience", sa.Text, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("issuer", "audience", name="tenant_audiences_pk"),
        sa.ForeignKeyConstraint(
            ["tenant_id"], ["tenant_register.tenant_id"], name="tenant_audiences_of_tenant"
        ),
    )
