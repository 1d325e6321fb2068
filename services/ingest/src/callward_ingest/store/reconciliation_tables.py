"""The tables of reconciliations, as migration 0007 makes them, and the statement that gathers calls."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

from callward_ingest.store.tables import METADATA

_MOMENT = sa.DateTime(timezone=True)
_ID = sa.Uuid(as_uuid=False)

#: Reconciliations with their counts. Append-only.
RECONCILIATIONS = sa.Table(
    "reconciliations",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("reconciliation_id", _ID, primary_key=True),
    sa.Column("range_from", _MOMENT, nullable=False),
    sa.Column("range_to", _MOMENT, nullable=False),
    sa.Column("made_at", _MOMENT, nullable=False),
    sa.Column("actor_kind", sa.Text, nullable=False),
    sa.Column("actor_id", sa.Text, nullable=False),
    sa.Column("actor_issuer", sa.Text, nullable=False),
    sa.Column("matched", sa.Integer, nullable=False),
    sa.Column("missing", sa.Integer, nullable=False),
    sa.Column("unexpected", sa.Integer, nullable=False),
    sa.Column("incomplete", sa.Integer, nullable=False),
    sa.Column("duplicate", sa.Integer, nullable=False),
)

#: Their findings: positions in the request, ids and codes. Append-only.
ITEMS = sa.Table(
    "reconciliation_items",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("reconciliation_id", _ID, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("position", sa.Integer),
    sa.Column("finding", sa.Text, nullable=False),
    sa.Column("details", ARRAY(sa.Text), nullable=False),
    sa.Column("call_id", _ID),
    sa.Column("other_call_ids", ARRAY(_ID), nullable=False),
    sa.Column("duplicate_of", sa.Integer),
)

# One statement, so that all of it is seen at one moment: what is named by id, by reference or lies in the range, with
# whatever shares a reference with it, and the recordings of each.
_FAMILY = """
WITH wanted AS (
    SELECT unnest(:call_ids) AS call_id
    UNION
    SELECT p.call_id FROM pseudonyms p
     WHERE p.tenant_id = :tenant AND p.kind = :kind AND p.quarter = ANY (:quarters) AND p.pseudonym = ANY (:pseudonyms)
    UNION
    SELECT c.call_id FROM calls c
     WHERE c.tenant_id = :tenant AND c.started_at >= :range_from AND c.started_at < :range_to
), family AS (
    SELECT call_id FROM wanted
    UNION
    SELECT other.call_id FROM wanted
      JOIN pseudonyms own ON own.tenant_id = :tenant AND own.kind = :kind AND own.call_id = wanted.call_id
      JOIN pseudonyms other ON other.tenant_id = own.tenant_id AND other.kind = own.kind
       AND other.quarter = own.quarter AND other.pseudonym = own.pseudonym
), named AS (
    SELECT p.call_id, array_agg(p.pseudonym) AS pseudonyms FROM pseudonyms p JOIN family USING (call_id)
     WHERE p.tenant_id = :tenant AND p.kind = :kind
     GROUP BY p.call_id
), recorded AS (
    SELECT r.call_id,
           count(*) FILTER (WHERE r.state = 'sealed') AS sealed,
           count(*) FILTER (WHERE r.state = 'quarantined') AS quarantined,
           count(*) FILTER (WHERE r.state = 'receiving') AS receiving,
           sum(r.duration_microseconds) FILTER (WHERE r.state IN ('sealed', 'quarantined')) AS duration_microseconds
      FROM recordings r JOIN family USING (call_id)
     WHERE r.tenant_id = :tenant
     GROUP BY r.call_id
)
SELECT c.call_id, c.started_at, c.ended_at,
       coalesce(named.pseudonyms, '{}') AS pseudonyms,
       coalesce(recorded.sealed, 0) AS sealed,
       coalesce(recorded.quarantined, 0) AS quarantined,
       coalesce(recorded.receiving, 0) AS receiving,
       coalesce(recorded.duration_microseconds, 0) AS duration_microseconds
  FROM family JOIN calls c ON c.tenant_id = :tenant AND c.call_id = family.call_id
  LEFT JOIN named ON named.call_id = c.call_id
  LEFT JOIN recorded ON recorded.call_id = c.call_id
"""
#: Gathers calls as reconciliation looks at them.
FAMILY = (
    sa.text(_FAMILY)
    .bindparams(
        sa.bindparam("tenant", type_=sa.Text()),
        sa.bindparam("kind", type_=sa.Text()),
        sa.bindparam("call_ids", type_=ARRAY(_ID)),
        sa.bindparam("quarters", type_=ARRAY(sa.Text)),
        sa.bindparam("pseudonyms", type_=ARRAY(sa.LargeBinary)),
        sa.bindparam("range_from", type_=_MOMENT),
        sa.bindparam("range_to", type_=_MOMENT),
    )
    .columns(
        call_id=_ID,
        started_at=_MOMENT,
        ended_at=_MOMENT,
        pseudonyms=ARRAY(sa.LargeBinary),
        sealed=sa.BigInteger,
        quarantined=sa.BigInteger,
        receiving=sa.BigInteger,
        duration_microseconds=sa.Numeric,
    )
)
