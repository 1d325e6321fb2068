"""The tables of consent. All of them are append-only: the run role may only read and insert."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

METADATA = sa.MetaData()

CALLS = sa.Table(
    "calls",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
)

PARTIES = sa.Table(
    "parties",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("position", sa.SmallInteger, primary_key=True),
    sa.Column("party_id", sa.Text, nullable=False),
    sa.Column("role", sa.Text, nullable=False),
    sa.Column("jurisdictions", ARRAY(sa.Text), nullable=False),
)

EVIDENCE = sa.Table(
    "evidence",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("evidence_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("party_id", sa.Text, nullable=False),
    sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("offset_microseconds", sa.BigInteger),
    sa.Column("script_id", sa.Text, nullable=False),
    sa.Column("script_version", sa.Text, nullable=False),
    sa.Column("form_salt", sa.LargeBinary),
    sa.Column("form_digest", sa.LargeBinary),
    sa.UniqueConstraint("tenant_id", "call_id", "idempotency_key", name="evidence_idempotency"),
)

REVOCATIONS = sa.Table(
    "revocations",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("revocation_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("idempotency_key", sa.Text, nullable=False),
    sa.Column("party_id", sa.Text, nullable=False),
    sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=False),
    sa.UniqueConstraint("tenant_id", "call_id", "idempotency_key", name="revocations_idempotency"),
)

DECISIONS = sa.Table(
    "decisions",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("decision_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("call_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("use", sa.Text, nullable=False),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False),
    sa.Column("deciding_jurisdiction", sa.Text, nullable=False),
    sa.Column("evidence_ids", ARRAY(sa.Uuid(as_uuid=False)), nullable=False),
    sa.Column("rules_version", sa.Text, nullable=False),
    sa.Column("policy_version", sa.BigInteger, nullable=False),
    sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
)

APPEND_ONLY = ("calls", "parties", "evidence", "revocations", "decisions")
