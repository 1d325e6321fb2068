"""Calls, pseudonyms, recordings, manifests and idempotency keys."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from callward_common.db import ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Column grants say what may change at all; the triggers say when.
GRANTS = {
    "calls": "SELECT, INSERT, UPDATE (ended_at)",
    "pseudonyms": "SELECT, INSERT",
    "recordings": "SELECT, INSERT, UPDATE",
    "manifests": "SELECT, INSERT",
    "idempotency": "SELECT, INSERT, UPDATE, DELETE",
}

CALLS_GUARD = """
CREATE FUNCTION calls_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.ended_at IS NOT NULL OR to_jsonb(NEW) - 'ended_at' <> to_jsonb(OLD) - 'ended_at' THEN
        RAISE EXCEPTION 'a call changes by ending, once' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""

RECORDINGS_GUARD = """
CREATE FUNCTION recordings_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state <> 'receiving' OR NEW.state = 'receiving' THEN
        RAISE EXCEPTION 'a recording leaves receiving once' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.tenant_id, NEW.recording_id, NEW.call_id, NEW.queue, NEW.object_key, NEW.started_at)
        IS DISTINCT FROM
       (OLD.tenant_id, OLD.recording_id, OLD.call_id, OLD.queue, OLD.object_key, OLD.started_at) THEN
        RAISE EXCEPTION 'what an attempt is never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""

# A recording that is kept has all its facts, and only a quarantined one has reasons.
KEPT_IS_WHOLE = """
    state NOT IN ('sealed', 'quarantined') OR (
        num_nulls(key_id, manifest_sha256, receipt, receipt_sha256, event_id, decision_id, sealed_at,
                  retention_class, retain_until, delete_after, retention_citation, media_type, size_bytes) = 0
        AND (state = 'quarantined') = (cardinality(reasons) > 0)
    )
"""


def upgrade() -> None:
    """Creates the tables, apart by tenant, with the guards against change."""
    run_role = ddl.run_role()
    ddl.create_mechanisms(run_role)
    _calls()
    _recordings()
    _manifests()
    _idempotency()
    for table, privileges in GRANTS.items():
        ddl.tenant_isolation(table)
        ddl.grant(table, run_role, privileges)
    ddl.append_only("manifests")
    for table, guard in (("calls", CALLS_GUARD), ("recordings", RECORDINGS_GUARD)):
        op.execute(guard)
        op.execute(
            f"CREATE TRIGGER {table}_guard BEFORE UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION {table}_guard()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {table}_guard")


def _calls() -> None:
    op.create_table(
        "calls",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("direction", sa.Text, nullable=False),
        sa.Column("age_group", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
        sa.Column("document", sa.LargeBinary, nullable=False),
        sa.Column("document_sha256", sa.LargeBinary, nullable=False),
        sa.Column("key_id", UUID, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", name="calls_pk"),
    )
    op.create_table(
        "pseudonyms",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("quarter", sa.Text, nullable=False),
        sa.Column("pseudonym", sa.LargeBinary, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "kind", "quarter", "pseudonym", "call_id", name="pseudonyms_pk"),
        _to_call("pseudonyms"),
    )
    op.create_index("pseudonyms_by_call", "pseudonyms", ["tenant_id", "call_id"])


def _recordings() -> None:
    op.create_table(
        "recordings",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("recording_id", UUID, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("reasons", ARRAY(sa.Text), nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key_id", UUID),
        sa.Column("manifest_sha256", sa.LargeBinary),
        sa.Column("receipt", sa.Text),
        sa.Column("receipt_sha256", sa.LargeBinary),
        sa.Column("event_id", UUID),
        sa.Column("decision_id", sa.Text),
        sa.Column("sealed_at", sa.DateTime(timezone=True)),
        sa.Column("retention_class", sa.Text),
        sa.Column("retain_until", sa.DateTime(timezone=True)),
        sa.Column("delete_after", sa.DateTime(timezone=True)),
        sa.Column("retention_citation", sa.Text),
        *_media_columns(),
        sa.PrimaryKeyConstraint("tenant_id", "recording_id", name="recordings_pk"),
        sa.UniqueConstraint("object_key", name="recordings_object_once"),
        sa.CheckConstraint(
            "state IN ('receiving', 'sealed', 'quarantined', 'abandoned')", name="recordings_states"
        ),
        sa.CheckConstraint(KEPT_IS_WHOLE, name="recordings_kept_whole"),
        _to_call("recordings"),
    )
    op.create_index("recordings_by_call", "recordings", ["tenant_id", "call_id", "recording_id"])
    op.create_index(
        "recordings_receiving", "recordings", ["tenant_id"], postgresql_where=sa.text("state = 'receiving'")
    )
    op.create_index("recordings_by_queue", "recordings", ["tenant_id", "queue", "recording_id"])


def _media_columns() -> list[sa.Column[object]]:
    return [
        sa.Column("media_type", sa.Text),
        sa.Column("codec", sa.Text),
        sa.Column("channels", sa.Integer),
        sa.Column("sample_rate", sa.Integer),
        sa.Column("duration_microseconds", sa.BigInteger),
        sa.Column("bytes_per_second", sa.BigInteger),
        sa.Column("size_bytes", sa.BigInteger),
        sa.Column("findings", ARRAY(sa.Text)),
    ]


def _manifests() -> None:
    op.create_table(
        "manifests",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("recording_id", UUID, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("manifest", sa.LargeBinary, nullable=False),
        sa.Column("sha256", sa.LargeBinary, nullable=False),
        sa.Column("object_key", sa.Text, nullable=False),
        sa.Column("object_version", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "recording_id", "version", name="manifests_pk"),
        sa.CheckConstraint("sha256 = sha256(manifest)", name="manifests_hash"),
        sa.ForeignKeyConstraint(
            ["tenant_id", "recording_id"],
            ["recordings.tenant_id", "recordings.recording_id"],
            name="manifests_of_recording",
        ),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("owner", UUID, nullable=False),
        sa.Column("held_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary),
        sa.Column("fingerprint_day", sa.Date),
        sa.Column("answer", sa.JSON),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="idempotency_pk"),
        sa.CheckConstraint(
            "num_nulls(fingerprint, fingerprint_day, answer) IN (0, 3)", name="idempotency_answer_whole"
        ),
    )
    op.create_index("idempotency_by_owner", "idempotency", ["tenant_id", "owner"])
    op.create_index("idempotency_by_expiry", "idempotency", ["tenant_id", "expires_at"])


def _to_call(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "call_id"], ["calls.tenant_id", "calls.call_id"], name=f"{table}_of_call"
    )
