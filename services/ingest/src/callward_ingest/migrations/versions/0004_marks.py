"""Legs, control marks, what has to be heard, and what of a recording was silenced."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from callward_common.db import ddl

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

TABLES = ("legs", "marks", "spoken")
KINDS = (
    "pause",
    "resume",
    "mask",
    "unmask",
    "hold",
    "unhold",
    "transfer",
    "leg-added",
    "announcement-played",
)

# A second guard beside recordings_guard: whoever changes the states need not know of this.
RECORDINGS_CLOCK_GUARD = """
CREATE FUNCTION recordings_clock_guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (NEW.leg_id, NEW.clock_started_at) IS DISTINCT FROM (OLD.leg_id, OLD.clock_started_at) THEN
        RAISE EXCEPTION 'what an attempt is never changes' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""


def upgrade() -> None:
    """Creates the tables, apart by tenant and append-only, and gives recordings a leg, a clock and their silence."""
    _legs()
    _marks()
    _spoken()
    for table in TABLES:
        ddl.tenant_isolation(table)
        ddl.append_only(table)
        ddl.grant(table, ddl.run_role(), "SELECT, INSERT")
    _recordings()


def _legs() -> None:
    op.create_table(
        "legs",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("leg_id", sa.Text, nullable=False),
        sa.Column("channel", sa.Integer),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("party_ids", ARRAY(sa.Text), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", "leg_id", name="legs_pk"),
        sa.CheckConstraint("channel >= 0", name="legs_channel_from_0"),
        _to_call("legs"),
    )


def _marks() -> None:
    kinds = ", ".join(f"'{kind}'" for kind in KINDS)
    op.create_table(
        "marks",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("mark_id", UUID, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True)),
        sa.Column("leg_id", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", UUID, nullable=False),
        sa.Column("statement", sa.Text, nullable=False),
        sa.Column("statement_sha256", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", "position", name="marks_pk"),
        sa.UniqueConstraint("tenant_id", "mark_id", name="marks_id_once"),
        sa.CheckConstraint("position >= 1", name="marks_from_1"),
        sa.CheckConstraint(f"kind IN ({kinds})", name="marks_kinds"),
        sa.CheckConstraint("until IS NULL OR (kind = 'mask' AND until > at)", name="marks_until"),
        sa.CheckConstraint("kind NOT IN ('mask', 'pause') OR reason <> ''", name="marks_reason"),
        sa.CheckConstraint("kind <> 'leg-added' OR leg_id IS NOT NULL", name="marks_leg_added"),
        sa.CheckConstraint(
            "statement_sha256 = sha256(convert_to(statement, 'UTF8'))", name="marks_statement_hash"
        ),
        _to_call("marks"),
        _to_leg("marks"),
    )


def _spoken() -> None:
    op.create_table(
        "spoken",
        sa.Column("tenant_id", sa.Text, nullable=False),
        sa.Column("call_id", UUID, nullable=False),
        sa.Column("evidence_id", sa.Text, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "call_id", "evidence_id", name="spoken_pk"),
        _to_call("spoken"),
    )


def _recordings() -> None:
    op.add_column("recordings", sa.Column("leg_id", sa.Text))
    op.add_column("recordings", sa.Column("clock_started_at", sa.DateTime(timezone=True)))
    # Pairs (start, end) in microseconds of the recording's own clock.
    op.add_column("recordings", sa.Column("masked", JSONB))
    op.create_foreign_key(
        "recordings_of_leg",
        "recordings",
        "legs",
        ["tenant_id", "call_id", "leg_id"],
        ["tenant_id", "call_id", "leg_id"],
    )
    op.execute(RECORDINGS_CLOCK_GUARD)
    op.execute(
        "CREATE TRIGGER recordings_clock_guard BEFORE UPDATE ON recordings"
        " FOR EACH ROW EXECUTE FUNCTION recordings_clock_guard()"
    )
    op.execute("ALTER TABLE recordings ENABLE ALWAYS TRIGGER recordings_clock_guard")


def _to_call(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "call_id"], ["calls.tenant_id", "calls.call_id"], name=f"{table}_of_call"
    )


def _to_leg(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["tenant_id", "call_id", "leg_id"],
        ["legs.tenant_id", "legs.call_id", "legs.leg_id"],
        name=f"{table}_of_leg",
    )
