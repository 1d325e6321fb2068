"""Uploads that resume, the parts of recordings, and the sweeper's work lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import UUID

from callward_common.db import ddl

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

GRANTS = {
    "uploads": "SELECT, INSERT, UPDATE",
    "parts": "SELECT, INSERT",
    "open_uploads": "SELECT, INSERT, UPDATE, DELETE",
    "staged_objects": "SELECT, INSERT, DELETE",
}

# An end is for good, and what was acknowledged never shrinks.
UPLOADS_GUARD = """
CREATE FUNCTION uploads_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state NOT IN ('receiving', 'completing') THEN
        IF NEW.secret IS NOT NULL
            OR to_jsonb(NEW) - 'secret' <> to_jsonb(OLD) - 'secret' THEN
            RAISE EXCEPTION 'an upload that has ended forgets its secret, and nothing else'
                USING ERRCODE = 'restrict_violation';
        END IF;
        RETURN NEW;
    END IF;
    IF OLD.state = 'completing' AND NEW.state NOT IN ('completing', 'complete') THEN
        RAISE EXCEPTION 'a whole upload is sealed' USING ERRCODE = 'restrict_violation';
    END IF;
    IF NEW.received < OLD.received OR NEW.epoch < OLD.epoch OR NEW.parts < OLD.parts THEN
        RAISE EXCEPTION 'what was acknowledged never shrinks' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.state = 'completing' AND NEW.received <> OLD.received THEN
        RAISE EXCEPTION 'a whole upload takes nothing more' USING ERRCODE = 'restrict_violation';
    END IF;
    IF OLD.manifest IS NOT NULL AND NEW.manifest IS DISTINCT FROM OLD.manifest THEN
        RAISE EXCEPTION 'a manifest is made once' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.tenant_id, NEW.upload_id, NEW.call_id, NEW.resumable, NEW.created_at, NEW.expires_at)
        IS DISTINCT FROM
       (OLD.tenant_id, OLD.upload_id, OLD.call_id, OLD.resumable, OLD.created_at, OLD.expires_at) THEN
        RAISE EXCEPTION 'what an upload is never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Creates the tables with their guards."""
    run_role = ddl.run_role()
    _uploads()
    _parts()
    _work_lists()
    for table in ("uploads", "parts"):
        ddl.tenant_isolation(table)
    for table, privileges in GRANTS.items():
        ddl.grant(table, run_role, privileges)
    ddl.append_only("parts")
    op.execute(UPLOADS_GUARD)
    op.execute(
        "CREATE TRIGGER uploads_guard BEFORE UPDATE ON uploads FOR EACH ROW EXECUTE FUNCTION uploads_guard()"
    )
    op.execute("ALTER TABLE uploads ENABLE ALWAYS TRIGGER uploads_guard")


def _uploads() -> None:
    op.create_table(
        "uploads",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("upload_id", UUID, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("resumable", sa.Boolean, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("received", sa.BigInteger, nullable=False),
        sa.Column("length", sa.BigInteger),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("parts", sa.Integer, nullable=False),
        sa.Column("media_type", sa.Text, nullable=False),
        *_begun_with(),
        *_come_to(),
        *_rules(),
    )
    op.create_index(
        "uploads_open",
        "uploads",
        ["tenant_id", "created_at"],
        postgresql_where=sa.text("state IN ('receiving', 'completing')"),
    )
    op.create_index(
        "uploads_once",
        "uploads",
        ["tenant_id", "idempotency_key"],
        unique=True,
        postgresql_where=sa.text("resumable AND idempotency_key IS NOT NULL"),
    )
    op.create_index("uploads_by_age", "uploads", ["tenant_id", "created_at"])


def _begun_with() -> list[sa.Column[object]]:
    return [
        sa.Column("plan", sa.JSON, nullable=False),
        sa.Column("actor", sa.JSON, nullable=False),
        sa.Column("commitment", sa.LargeBinary),
        sa.Column("fingerprint_day", sa.Date, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary),
        sa.Column("idempotency_key", sa.Text),
        sa.Column("leg_id", sa.Text),
        sa.Column("clock_started_at", sa.DateTime(timezone=True)),
        sa.Column("secret", sa.LargeBinary),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
    ]


def _come_to() -> list[sa.Column[object]]:
    return [
        sa.Column("manifest", sa.LargeBinary),
        sa.Column("prepared", sa.JSON),
        sa.Column("answer", sa.JSON),
        sa.Column("reason", sa.Text),
    ]


def _rules() -> list[sa.Constraint]:
    return [
        sa.PrimaryKeyConstraint("tenant_id", "upload_id", name="uploads_pk"),
        sa.CheckConstraint(
            "state IN ('receiving', 'completing', 'complete', 'cancelled', 'expired', 'failed')",
            name="uploads_states",
        ),
        sa.CheckConstraint("received >= 0 AND (length IS NULL OR received <= length)", name="uploads_length"),
        # Needed while the upload is open, and, once it is given up, until its key is; then it is forgotten.
        sa.CheckConstraint(
            "state NOT IN ('receiving', 'completing') OR secret IS NOT NULL", name="uploads_secret"
        ),
        sa.CheckConstraint("state <> 'complete' OR secret IS NULL", name="uploads_secret_forgotten"),
        sa.CheckConstraint("(manifest IS NULL) = (prepared IS NULL)", name="uploads_prepared_whole"),
        sa.CheckConstraint("(answer IS NOT NULL) = (state = 'complete')", name="uploads_answered"),
        _to_recording("uploads", "upload_id"),
    ]


def _parts() -> None:
    op.create_table(
        "parts",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("recording_id", UUID, nullable=False),
        sa.Column("rendition", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("version_id", sa.Text, nullable=False),
        sa.Column("plaintext_size", sa.BigInteger, nullable=False),
        sa.Column("ciphertext_size", sa.BigInteger, nullable=False),
        sa.Column("header", sa.LargeBinary, nullable=False),
        sa.Column("ciphertext_sha256", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "recording_id", "rendition", "number", name="parts_pk"),
        sa.UniqueConstraint("object_key", name="parts_object_once"),
        _to_recording("parts", "recording_id"),
    )


def _work_lists() -> None:
    # Without tenant isolation: the sweeper has to see that there is work before it knows whose. They hold ids,
    # object keys (random) and times; whatever is done is done in a transaction of that one tenant.
    op.create_table(
        "open_uploads",
        sa.Column("upload_id", UUID, primary_key=True),
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        # The number of the process that has it in hand, where only that process can go on with it.
        sa.Column("holder", sa.Integer),
    )
    op.create_index("open_uploads_due", "open_uploads", ["due_at"])
    op.create_table(
        "staged_objects",
        sa.Column("object_key", sa.Text, primary_key=True),
        sa.Column("upload_id", UUID, nullable=False),
        sa.Column("staged_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("staged_objects_of_upload", "staged_objects", ["upload_id"])


def _to_recording(table: str, column: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", column],
        ["recordings.tenant_id", "recordings.recording_id"],
        name=f"{table}_of_recording",
    )
