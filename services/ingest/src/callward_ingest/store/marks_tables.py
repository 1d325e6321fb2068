"""The tables of legs, marks and what has to be heard, as migration 0004 makes them. All three are append-only."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from callward_ingest.store.tables import METADATA

_MOMENT = sa.DateTime(timezone=True)
_ID = sa.Uuid(as_uuid=False)

#: The legs of calls.
LEGS = sa.Table(
    "legs",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", _ID, primary_key=True),
    sa.Column("leg_id", sa.Text, primary_key=True),
    sa.Column("channel", sa.Integer),
    sa.Column("started_at", _MOMENT, nullable=False),
    sa.Column("recorded_at", _MOMENT, nullable=False),
    sa.Column("party_ids", ARRAY(sa.Text), nullable=False),
)

#: Control marks, each with its signed statement. `position` counts a call's marks from 1, without a gap.
MARKS = sa.Table(
    "marks",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", _ID, primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("mark_id", _ID, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("at", _MOMENT, nullable=False),
    sa.Column("until", _MOMENT),
    sa.Column("leg_id", sa.Text),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("received_at", _MOMENT, nullable=False),
    sa.Column("event_id", _ID, nullable=False),
    sa.Column("statement", sa.Text, nullable=False),
    sa.Column("statement_sha256", sa.LargeBinary, nullable=False),
)

#: The moments of announcements and spoken consents that were given as evidence: no silence may lie over them.
SPOKEN = sa.Table(
    "spoken",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", _ID, primary_key=True),
    sa.Column("evidence_id", sa.Text, primary_key=True),
    sa.Column("at", _MOMENT, nullable=False),
)
