"""The tables of audit. Leaves, nodes and checkpoints are append-only; nothing else says what happened."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

METADATA = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)

LOGS = sa.Table(
    "logs",
    METADATA,
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("origin", sa.Text, nullable=False),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("frontier", ARRAY(sa.LargeBinary), nullable=False),
    sa.Column("opened", sa.BigInteger, sa.Identity(always=True), nullable=False),
)

WRITER = sa.Table(
    "writer",
    METADATA,
    sa.Column("single", sa.Boolean, primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
)

LEAVES = sa.Table(
    "leaves",
    METADATA,
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("leaf_index", sa.BigInteger, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("producer", sa.Text, nullable=False),
    sa.Column("sequence", sa.BigInteger, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("occurred_at", _MOMENT, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
)

NODES = sa.Table(
    "nodes",
    METADATA,
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("level", sa.SmallInteger, primary_key=True),
    sa.Column("node_index", sa.BigInteger, primary_key=True),
    sa.Column("hash", sa.LargeBinary, nullable=False),
)

CHECKPOINTS = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("log", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, primary_key=True),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("signed_at", _MOMENT, nullable=False),
)

PRODUCERS = sa.Table(
    "producers",
    METADATA,
    sa.Column("producer", sa.Text, primary_key=True),
    sa.Column("watermark", sa.BigInteger, nullable=False),
    sa.Column("waiting", ARRAY(sa.BigInteger), nullable=False),
    sa.Column("committed_at", _MOMENT),
    sa.Column("log", sa.Text),
)

POSITIONS = sa.Table(
    "positions",
    METADATA,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True),
    sa.Column("position", sa.BigInteger, nullable=False),
)
