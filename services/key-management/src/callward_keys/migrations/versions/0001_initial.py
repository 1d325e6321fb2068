"""Buckets, data keys, public signing keys and checkpoints."""

from alembic import op

from callward_common.db import ddl

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE buckets (
        bucket_id uuid CONSTRAINT buckets_pk PRIMARY KEY,
        tenant_id text NOT NULL,
        retention_class text NOT NULL,
        expiry_month text NOT NULL,
        number integer NOT NULL CONSTRAINT buckets_number_from_1 CHECK (number >= 1),
        transit_key text NOT NULL CONSTRAINT buckets_transit_key_once UNIQUE,
        places integer NOT NULL CONSTRAINT buckets_places_from_0 CHECK (places >= 0),
        CONSTRAINT buckets_number_once UNIQUE (tenant_id, retention_class, expiry_month, number),
        CONSTRAINT buckets_of_tenant UNIQUE (tenant_id, bucket_id)
    )
    """,
    """
    CREATE TABLE data_keys (
        key_id uuid CONSTRAINT data_keys_pk PRIMARY KEY,
        tenant_id text NOT NULL,
        subject_kind text NOT NULL CONSTRAINT data_keys_subject_kind CHECK (subject_kind IN ('recording', 'call')),
        subject_id uuid NOT NULL,
        bucket_id uuid NOT NULL,
        wrap text NOT NULL,
        commitment bytea NOT NULL CONSTRAINT data_keys_commitment_once UNIQUE,
        state text NOT NULL
            CONSTRAINT data_keys_state CHECK (state IN ('open', 'sealed', 'shred_pending', 'destroyed')),
        upload_secret_sha256 bytea NOT NULL,
        open_until timestamptz NOT NULL,
        not_before timestamptz NOT NULL,
        issued_at timestamptz NOT NULL,
        manifest_sha256 bytea,
        wrap_version text,
        sealed_at timestamptz,
        shred_reason text,
        last_opened_at timestamptz,
        CONSTRAINT data_keys_subject_once UNIQUE (tenant_id, subject_kind, subject_id),
        CONSTRAINT data_keys_bucket FOREIGN KEY (tenant_id, bucket_id) REFERENCES buckets (tenant_id, bucket_id),
        CONSTRAINT data_keys_hashes CHECK (
            octet_length(commitment) = 32 AND octet_length(upload_secret_sha256) = 32
            AND (manifest_sha256 IS NULL OR octet_length(manifest_sha256) = 32)
        ),
        CONSTRAINT data_keys_sealed_whole CHECK (
            (state = 'open') <= (manifest_sha256 IS NULL AND sealed_at IS NULL)
            AND (state = 'sealed')
                <= (manifest_sha256 IS NOT NULL AND wrap_version IS NOT NULL AND sealed_at IS NOT NULL)
        )
    )
    """,
    "CREATE INDEX data_keys_by_bucket ON data_keys (bucket_id)",
    "CREATE INDEX data_keys_open ON data_keys (tenant_id, open_until) WHERE state = 'open'",
    """
    CREATE TABLE signing_keys (
        key_id text CONSTRAINT signing_keys_pk PRIMARY KEY,
        document_type text NOT NULL,
        version integer NOT NULL,
        public_key bytea NOT NULL CONSTRAINT signing_keys_length CHECK (octet_length(public_key) = 32),
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX signing_keys_newest ON signing_keys (created_at, key_id)",
    """
    CREATE TABLE checkpoints (
        origin text CONSTRAINT checkpoints_pk PRIMARY KEY,
        size bigint NOT NULL CONSTRAINT checkpoints_size_from_0 CHECK (size >= 0),
        root bytea NOT NULL,
        note text NOT NULL,
        signing_key_id text NOT NULL,
        CONSTRAINT checkpoints_whole CHECK (
            CASE WHEN note = '' THEN size = 0 ELSE octet_length(root) = 32 AND signing_key_id <> '' END
        )
    )
    """,
)

#: A state only moves down the list, and what was once set never changes.
_KEY_RULES = """
CREATE FUNCTION callward_data_key_moves_down() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    states CONSTANT text[] := ARRAY['open', 'sealed', 'shred_pending', 'destroyed'];
BEGIN
    IF array_position(states, NEW.state) < array_position(states, OLD.state) THEN
        RAISE EXCEPTION 'the state of a data key only moves down' USING ERRCODE = 'restrict_violation';
    END IF;
    IF (NEW.key_id, NEW.tenant_id, NEW.subject_kind, NEW.subject_id, NEW.commitment, NEW.upload_secret_sha256,
        NEW.open_until, NEW.issued_at)
       IS DISTINCT FROM
       (OLD.key_id, OLD.tenant_id, OLD.subject_kind, OLD.subject_id, OLD.commitment, OLD.upload_secret_sha256,
        OLD.open_until, OLD.issued_at)
       OR OLD.manifest_sha256 IS NOT NULL AND NEW.manifest_sha256 IS DISTINCT FROM OLD.manifest_sha256
       OR OLD.sealed_at IS NOT NULL AND NEW.sealed_at IS DISTINCT FROM OLD.sealed_at
       OR OLD.shred_reason IS NOT NULL AND NEW.shred_reason IS DISTINCT FROM OLD.shred_reason
       OR NEW.not_before < OLD.not_before
       OR OLD.last_opened_at IS NOT NULL
          AND (NEW.last_opened_at IS NULL OR NEW.last_opened_at < OLD.last_opened_at)
    THEN
        RAISE EXCEPTION 'what is set of a data key does not change' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""

#: A log only grows: an older checkpoint never comes back, and none is forgotten.
_CHECKPOINT_RULES = """
CREATE FUNCTION callward_checkpoint_grows() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'UPDATE' OR NEW.origin <> OLD.origin OR NEW.size < OLD.size
       OR NEW.size = OLD.size AND OLD.note <> ''
    THEN
        RAISE EXCEPTION 'a checkpoint only grows' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$
"""

_TRIGGERS = (
    ("data_keys", "moves_down", "UPDATE", "ROW", "callward_data_key_moves_down"),
    ("checkpoints", "grows", "UPDATE OR DELETE", "ROW", "callward_checkpoint_grows"),
    ("checkpoints", "grows_truncate", "TRUNCATE", "STATEMENT", "callward_checkpoint_grows"),
)


def upgrade() -> None:
    """Creates the tables, the rules that their rows keep, and what the run role may do."""
    run_role = ddl.run_role()
    ddl.create_mechanisms(run_role)
    for statement in (*_TABLES, _KEY_RULES, _CHECKPOINT_RULES):
        op.execute(statement)
    for table, name, event, level, function in _TRIGGERS:
        op.execute(
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH {level} EXECUTE FUNCTION {function}()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")
    for table in ("buckets", "data_keys"):
        ddl.tenant_isolation(table)
    ddl.append_only("signing_keys")
    ddl.grant("buckets", run_role, "SELECT, INSERT, UPDATE (places)")
    # Neither the wrap nor the commitment: a wrap that is overwritten is a recording that is lost.
    changeable = "state, manifest_sha256, wrap_version, sealed_at, shred_reason, last_opened_at"
    ddl.grant("data_keys", run_role, f"SELECT, INSERT, UPDATE ({changeable})")
    ddl.grant("signing_keys", run_role, "SELECT, INSERT")
    ddl.grant("checkpoints", run_role, "SELECT, INSERT, UPDATE")
