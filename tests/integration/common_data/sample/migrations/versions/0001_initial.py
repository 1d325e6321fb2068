"""One table apart by tenant, and one that is append-only as well."""

import sqlalchemy as sa
from alembic import op

from callward_common.db import ddl

revision = "0001"
down_revision = None


def upgrade() -> None:
    role = ddl.run_role()
    ddl.create_mechanisms(role)
    for table in ("notes", "marks"):
        op.create_table(
            table,
            sa.Column("tenant_id", sa.Text, nullable=False),
            sa.Column("name", sa.Text, nullable=False),
            sa.Column("value", sa.Integer, nullable=False),
            sa.PrimaryKeyConstraint("tenant_id", "name", name=f"{table}_pk"),
        )
        ddl.tenant_isolation(table)
    ddl.grant("notes", role, "SELECT, INSERT, UPDATE, DELETE")
    ddl.append_only("marks")
    # More than a service would grant: the trigger has to hold by itself.
    ddl.grant("marks", role, "SELECT, INSERT, UPDATE, DELETE, TRUNCATE")
