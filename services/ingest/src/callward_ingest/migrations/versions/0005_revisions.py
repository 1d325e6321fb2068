"""Revisions of calls' metadata: what became known late, each sealed under a key of its own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Creates the table, append-only, and lets calls keep the ids of their parties (which tell nothing of anybody)."""
    # Null for calls taken down before: what their parties were is sealed, and known to consent alone.
    op.add_column("calls", sa.Column("party_ids", ARRAY(sa.Text)))
    op.create_table(
        "call_revisions",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("revision_id", UUID, nullable=False),
        sa.Column("revised_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_kind", sa.Text, nullable=False),
        sa.Column("actor_id", sa.Text, nullable=False),
        sa.Column("actor_issuer", sa.Text, nullable=False),
        sa.Column("changed", ARRAY(sa.Text), nullable=False),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("key_id", UUID, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", "number", name="call_revisions_pk"),
        sa.UniqueConstraint("tenant_id", "revision_id", name="call_revisions_id_once"),
        sa.CheckConstraint("number >= 1", name="call_revisions_from_1"),
        sa.CheckConstraint("cardinality(changed) > 0", name="call_revisions_change_something"),
        sa.CheckConstraint("document_sha256 = sha256(document)", name="call_revisions_hash"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "call_id"], ["calls.tenant_id", "calls.call_id"], name="call_revisions_of_call"
        ),
    )
    ddl.tenant_isolation("call_revisions")
    ddl.append_only("call_revisions")
    ddl.grant("call_revisions", ddl.run_role(), "SELECT, INSERT")
