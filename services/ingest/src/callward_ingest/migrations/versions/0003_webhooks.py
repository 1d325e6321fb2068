"""Webhooks, their deliveries, and the sender's work list."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

GRANTS = {
    "webhooks": (
        "SELECT, INSERT, UPDATE (url, events, description, active, secret_version, previous_until,"
        " failing_since, disabled_reason, disabled_at, removed_at)"
    ),
    "webhook_deliveries": (
        "SELECT, INSERT, DELETE, UPDATE (state, attempts, tries, last_status, last_error, last_attempt_at,"
        " next_attempt_at)"
    ),
    "webhook_work": "SELECT, INSERT, DELETE, UPDATE (purpose, due_at, lease)",
}

# A version of a secret that was given out once never stands for another secret, and an id for another receiver.
WEBHOOKS_GUARD = """
CREATE FUNCTION webhooks_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.removed_at IS NOT NULL THEN
        RAISE EXCEPTION 'a webhook that was removed stays so' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.secret_version < OLD.secret_version THEN
        RAISE EXCEPTION 'versions of a secret only grow' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Creates the tables.

    `webhook_work` is not apart by tenant: the sender finds out from it whose work is due, and it holds ids and times
    alone. What is sent, and where to, is read under the tenant's own row-level security.
    """
    run_role = ddl.run_role()
    _webhooks()
    _deliveries()
    _work()
    for table in ("webhooks", "webhook_deliveries"):
        ddl.tenant_isolation(table)
    for table, privileges in GRANTS.items():
        ddl.grant(table, run_role, privileges)
    op.execute(WEBHOOKS_GUARD)
    op.execute(
        "CREATE TRIGGER webhooks_guard BEFORE UPDATE ON webhooks FOR EACH ROW EXECUTE FUNCTION webhooks_guard()"
    )
    op.execute("ALTER TABLE webhooks ENABLE ALWAYS TRIGGER webhooks_guard")


def _webhooks() -> None:
    op.create_table(
        "webhooks",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("events", ARRAY(sa.Text), nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("secret_version", sa.Integer, nullable=False),
        sa.Column("previous_until", sa.DateTime(timezone=True)),
        sa.Column("failing_since", sa.DateTime(timezone=True)),
        sa.Column("disabled_reason", sa.Text),
        sa.Column("disabled_at", sa.DateTime(timezone=True)),
        sa.Column("removed_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant_id", "webhook_id", name="webhooks_pk"),
        sa.CheckConstraint("secret_version >= 1", name="webhooks_secret"),
        sa.CheckConstraint("NOT (active AND removed_at IS NOT NULL)", name="webhooks_removed_inactive"),
        sa.CheckConstraint("NOT (active AND disabled_reason IS NOT NULL)", name="webhooks_disabled_inactive"),
    )
    # Asked at every event that receivers may be told of: for a tenant without webhooks it is one empty page.
    op.create_index(
        "webhooks_present",
        "webhooks",
        ["tenant_id", "webhook_id"],
        postgresql_where=sa.text("removed_at IS NULL"),
    )


def _deliveries() -> None:
    # Without a foreign key: it would lock the webhook's row at every event, for every upload of the tenant at once.
    op.create_table(
        "webhook_deliveries",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("delivery_id", UUID, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("last_status", sa.Integer),
        sa.Column("last_error", sa.Text),
        sa.Column("last_attempt_at", sa.DateTime(timezone=True)),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("tenant_id", "delivery_id", name="webhook_deliveries_pk"),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'dead') AND (state = 'pending') = (next_attempt_at IS NOT NULL)",
            name="webhook_deliveries_states",
        ),
    )
    op.create_index(
        "webhook_deliveries_listed", "webhook_deliveries", ["tenant_id", "webhook_id", "delivery_id"]
    )
    op.create_index(
        "webhook_deliveries_by_state",
        "webhook_deliveries",
        ["tenant_id", "webhook_id", "state", "delivery_id"],
    )


def _work() -> None:
    op.create_table(
        "webhook_work",
        sa.Column("delivery_id", UUID, nullable=False),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("webhook_id", UUID, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease", UUID),
        sa.PrimaryKeyConstraint("delivery_id", name="webhook_work_pk"),
        sa.CheckConstraint("purpose IN ('send', 'clear')", name="webhook_work_purposes"),
        # A queue: dead rows must go while it is short, or every look reads past them.
        postgresql_with={"autovacuum_vacuum_scale_factor": "0.01", "autovacuum_vacuum_threshold": "2000"},
    )
    op.create_index(
        "webhook_work_to_send",
        "webhook_work",
        ["webhook_id", "due_at"],
        postgresql_where=sa.text("purpose = 'send'"),
    )
    op.create_index(
        "webhook_work_to_clear", "webhook_work", ["due_at"], postgresql_where=sa.text("purpose = 'clear'")
    )
