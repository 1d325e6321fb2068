"""The tables as migration 0001 makes them, its triggers and grants included."""

import sqlalchemy as sa

METADATA = sa.MetaData()

#: Transit keys of one tenant, class and month. `places` counts the places given away, never back.
BUCKETS = sa.Table(
    "buckets",
    METADATA,
    sa.Column("bucket_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("retention_class", sa.Text, nullable=False),
    sa.Column("expiry_month", sa.Text, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("transit_key", sa.Text, nullable=False),
    sa.Column("places", sa.Integer, nullable=False),
)

#: Data keys: wrap and commitment, never the key.
DATA_KEYS = sa.Table(
    "data_keys",
    METADATA,
    sa.Column("key_id", sa.Uuid(as_uuid=False), primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("subject_kind", sa.Text, nullable=False),
    sa.Column("subject_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("bucket_id", sa.Uuid(as_uuid=False), nullable=False),
    sa.Column("wrap", sa.Text, nullable=False),
    sa.Column("commitment", sa.LargeBinary, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("upload_secret_sha256", sa.LargeBinary, nullable=False),
    sa.Column("open_until", sa.DateTime(timezone=True), nullable=False),
    sa.Column("not_before", sa.DateTime(timezone=True), nullable=False),
    sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("manifest_sha256", sa.LargeBinary),
    sa.Column("wrap_version", sa.Text),
    sa.Column("sealed_at", sa.DateTime(timezone=True)),
    sa.Column("shred_reason", sa.Text),
    sa.Column("last_opened_at", sa.DateTime(timezone=True)),
)

#: Public halves of signing keys. Append-only; of no tenant.
SIGNING_KEYS = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("key_id", sa.Text, primary_key=True),
    sa.Column("document_type", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
)

#: The last signed checkpoint of each origin; no note while there is none. Of no tenant.
CHECKPOINTS = sa.Table(
    "checkpoints",
    METADATA,
    sa.Column("origin", sa.Text, primary_key=True),
    sa.Column("size", sa.BigInteger, nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("signing_key_id", sa.Text, nullable=False),
)
