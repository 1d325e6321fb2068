"""The tables of ingest, as its migrations make them. Nothing in them identifies a person in clear."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

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
    sa.Column("party_ids", ARRAY(sa.Text)),
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
    sa.Column("leg_id", sa.Text),
    sa.Column("clock_started_at", _MOMENT),
    sa.Column("masked", JSONB(none_as_null=True)),
    sa.Column("rms_dbfs", ARRAY(sa.Double)),
    sa.Column("peak_dbfs", ARRAY(sa.Double)),
    sa.Column("silence", ARRAY(sa.Double)),
    sa.Column("clipped", ARRAY(sa.BigInteger)),
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

#: Uploads. What was acknowledged never shrinks, and an end is for good (trigger).
UPLOADS = sa.Table(
    "uploads",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("upload_id", _ID, primary_key=True),
    sa.Column("call_id", _ID, nullable=False),
    sa.Column("queue", sa.Text, nullable=False),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("resumable", sa.Boolean, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sa.Column("length", sa.BigInteger),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("parts", sa.Integer, nullable=False),
    sa.Column("media_type", sa.Text, nullable=False),
    sa.Column("plan", sa.JSON, nullable=False),
    sa.Column("actor", sa.JSON, nullable=False),
    sa.Column("commitment", sa.LargeBinary),
    sa.Column("fingerprint_day", sa.Date, nullable=False),
    sa.Column("fingerprint", sa.LargeBinary),
    sa.Column("idempotency_key", sa.Text),
    sa.Column("leg_id", sa.Text),
    sa.Column("clock_started_at", _MOMENT),
    sa.Column("secret", sa.LargeBinary),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("expires_at", _MOMENT, nullable=False),
    sa.Column("manifest", sa.LargeBinary),
    sa.Column("prepared", sa.JSON(none_as_null=True)),
    sa.Column("answer", sa.JSON(none_as_null=True)),
    sa.Column("reason", sa.Text),
)

#: The parts of renditions, in order. Append-only.
PARTS = sa.Table(
    "parts",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("recording_id", _ID, primary_key=True),
    sa.Column("rendition", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("object_key", sa.Text, nullable=False),
    sa.Column("version_id", sa.Text, nullable=False),
    sa.Column("plaintext_size", sa.BigInteger, nullable=False),
    sa.Column("ciphertext_size", sa.BigInteger, nullable=False),
    sa.Column("header", sa.LargeBinary, nullable=False),
    sa.Column("ciphertext_sha256", sa.LargeBinary, nullable=False),
)

#: What the sweeper looks at, of all tenants: an upload's next deadline, and the process that has it in hand.
OPEN_UPLOADS = sa.Table(
    "open_uploads",
    METADATA,
    sa.Column("upload_id", _ID, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("due_at", _MOMENT, nullable=False),
    sa.Column("holder", sa.Integer),
)

#: Objects that are being written, or that a crash left behind: those not yet in `parts`.
STAGED_OBJECTS = sa.Table(
    "staged_objects",
    METADATA,
    sa.Column("object_key", sa.Text, primary_key=True),
    sa.Column("upload_id", _ID, nullable=False),
    sa.Column("staged_at", _MOMENT, nullable=False),
)
