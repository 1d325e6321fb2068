"""The tables of ingest, as its migrations make them. Nothing in them identifies a person in clear."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

METADATA = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)
_ID = sa.Uuid(as_uuid=False)

#: Calls. `document` is the sealed document; only `ended_at` ever changes, once.
CALLS = sa.Table(
    "calls",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("call_id", _ID, primary_key=True),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("direction", sa.Text, nullable=False),
    sa.Column("age_group", sa.Text, nullable=False),
    sa.Column("started_at", _MOMENT, nullable=False),
    sa.Column("opened_at", _MOMENT, nullable=False),
    sa.Column("ended_at", _MOMENT),
    sa.Column("document", sa.LargeBinary, nullable=False),
    sa.Column("document_sha256", sa.LargeBinary, nullable=False),
    sa.Column("key_id", _ID, nullable=False),
)

#: Keyed pseudonyms of what identifies people: calls are found by them without any identifier.
PSEUDONYMS = sa.Table(
    "pseudonyms",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("quarter", sa.Text, primary_key=True),
    sa.Column("pseudonym", sa.LargeBinary, primary_key=True),
    sa.Column("call_id", _ID, primary_key=True),
)

#: Recordings. A row leaves `receiving` once; nothing of it changes afterwards (trigger).
RECORDINGS = sa.Table(
    "recordings",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("recording_id", _ID, primary_key=True),
    sa.Column("call_id", _ID, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reasons", ARRAY(sa.Text), nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("started_at", _MOMENT, nullable=False),
    sa.Column("key_id", _ID),
    sa.Column("manifest_sha256", sa.LargeBinary),
    sa.Column("receipt", sa.Text),
    sa.Column("receipt_sha256", sa.LargeBinary),
    sa.Column("event_id", _ID),
    sa.Column("decision_id", sa.Text),
    sa.Column("sealed_at", _MOMENT),
    sa.Column("retention_class", sa.Text),
    sa.Column("retain_until", _MOMENT),
    sa.Column("delete_after", _MOMENT),
    sa.Column("retention_citation", sa.Text),
    sa.Column("media_type", sa.Text),
    sa.Column("codec", sa.Text),
    sa.Column("channels", sa.Integer),
    sa.Column("sample_rate", sa.Integer),
    sa.Column("duration_microseconds", sa.BigInteger),
    sa.Column("bytes_per_second", sa.BigInteger),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("findings", ARRAY(sa.Text)),
)

#: Manifests, byte for byte as they were hashed. Append-only.
MANIFESTS = sa.Table(
    "manifests",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("recording_id", _ID, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("manifest", sa.LargeBinary, nullable=False),
    sa.Column("sha256", sa.LargeBinary, nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("object_version", sa.Text, nullable=False),
)

#: Idempotency keys: held by an owner until a moment, then with an answer until it expires.
IDEMPOTENCY = sa.Table(
    "idempotency",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("key", sa.Text, primary_key=True),
    sa.Column("owner", _ID, nullable=False),
    sa.Column("held_until", _MOMENT, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary),
    sa.Column("fingerprint_day", sa.Date),
    sa.Column("answer", sa.JSON(none_as_null=True)),
    sa.Column("expires_at", _MOMENT, nullable=False),
)
