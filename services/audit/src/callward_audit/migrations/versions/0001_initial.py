"""Logs, leaves, nodes, checkpoints, watermarks and positions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl
from callward_common.db.tables import TENANT_SETTING

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables. Nobody may change or remove a leaf, a node or a checkpoint."""
    run_role = ddl.run_role()
    ddl.create_mechanisms(run_role)
    _logs()
    _leaves()
    _tree()
    _progress()
    for table in ("leaves", "nodes", "checkpoints"):
        ddl.append_only(table)
        ddl.grant(table, run_role, "SELECT, INSERT")
    ddl.grant("logs", run_role, "SELECT, INSERT, UPDATE (size, frontier)")
    ddl.grant("writer", run_role, "SELECT, UPDATE")
    ddl.grant("producers", run_role, "SELECT, INSERT, UPDATE")
    ddl.grant("positions", run_role, "SELECT, INSERT, UPDATE")


def _logs() -> None:
    op.create_table(
        "logs",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("frontier", ARRAY(sa.LargeBinary), nullable=False),
        sa.Column("opened", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.PrimaryKeyConstraint("log", name="logs_pk"),
    )
    op.create_table(
        "writer",
        sa.Column("single", sa.Boolean, nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("single", name="writer_pk"),
        sa.CheckConstraint("single", name="writer_one_row"),
    )
    op.execute("INSERT INTO writer (single, epoch) VALUES (true, 0)")


def _leaves() -> None:
    op.create_table(
        "leaves",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("leaf_index", sa.BigInteger, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.Column("producer", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("occurred_at", _MOMENT, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("log", "leaf_index", name="leaves_pk"),
    )
    op.create_index("leaves_by_tenant", "leaves", ["tenant_id", "log", "leaf_index"])
    op.create_index("leaves_by_event", "leaves", ["event_id"])
    # One batch holds the events of many tenants, so the writer may insert for all; reading is as one tenant.
    mine = f"tenant_id = nullif(current_setting('{TENANT_SETTING}', true), '')"
    op.execute("ALTER TABLE leaves ENABLE ROW LEVEL SECURITY")
    op.execute("ALTER TABLE leaves FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant_reads ON leaves FOR SELECT USING ({mine})")
    op.execute("CREATE POLICY writer_appends ON leaves FOR INSERT WITH CHECK (true)")


def _tree() -> None:
    op.create_table(
        "nodes",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("level", sa.SmallInteger, nullable=False),
        sa.Column("node_index", sa.BigInteger, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("log", "level", "node_index", name="nodes_pk"),
        sa.CheckConstraint("octet_length(hash) = 32", name="nodes_hash"),
    )
    op.create_table(
        "checkpoints",
        sa.Column("log", sa.Text, nullable=False),
        sa.Column("size", sa.BigInteger, nullable=False),
        sa.Column("root", sa.LargeBinary, nullable=False),
        sa.Column("note", sa.Text, nullable=False),
        sa.Column("signed_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("log", "size", name="checkpoints_pk"),
    )


def _progress() -> None:
    op.create_table(
        "producers",
        sa.Column("producer", sa.Text, nullable=False),
        sa.Column("watermark", sa.BigInteger, nullable=False),
        sa.Column("waiting", ARRAY(sa.BigInteger), nullable=False),
        sa.Column("committed_at", _MOMENT),
        sa.Column("log", sa.Text),
        sa.PrimaryKeyConstraint("producer", name="producers_pk"),
    )
    op.create_table(
        "positions",
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="positions_pk"),
    )
