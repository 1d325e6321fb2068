"""Helpers for the migrations of services: they work inside `callward_common.db.migrate.upgrade` only."""

from typing import Final

import sqlalchemy as sa
from alembic import context, op

from callward_common.db import tables

_IS_MINE: Final = f"tenant_id = nullif(current_setting('{tables.TENANT_SETTING}', true), '')"

_APPEND_ONLY: Final = """
CREATE OR REPLACE FUNCTION callward_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'restrict_violation', TABLE = TG_TABLE_NAME;
END
$$
"""


def run_role() -> str:
    """Returns the role that the service runs as, as given to `migrate.upgrade`."""
    role: str = context.config.attributes["run_role"]
    return role


def create_mechanisms(run_role: str) -> None:
    """Creates outbox, inbox, tenants and dead letters, with what the run role may do to them."""
    tables.metadata.create_all(op.get_bind(), checkfirst=False)
    op.execute(sa.insert(tables.outbox_state).values(single=True, last_sequence=0, covered=0))
    for table, privileges in tables.PRIVILEGES.items():
        grant(table.name, run_role, privileges)


def tenant_isolation(table: str) -> None:
    """Shows a table's rows to transactions of their tenant only, to its owner too. The column is `tenant_id`."""
    name = _quote(table)
    op.execute(f"ALTER TABLE {name} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {name} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY tenant_isolation ON {name} USING ({_IS_MINE}) WITH CHECK ({_IS_MINE})")


def append_only(table: str) -> None:
    """Refuses UPDATE, DELETE and TRUNCATE on a table, to its owner too, with SQLSTATE 23001.

    By row for UPDATE and DELETE, since only row triggers are handed down to partitions.
    """
    name = _quote(table)
    op.execute(_APPEND_ONLY)
    for trigger, event in (
        ("append_only", "UPDATE OR DELETE ON {} FOR EACH ROW"),
        ("append_only_truncate", "TRUNCATE ON {} FOR EACH STATEMENT"),
    ):
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {event.format(name)} EXECUTE FUNCTION callward_append_only()"
        )
        op.execute(f"ALTER TABLE {name} ENABLE ALWAYS TRIGGER {trigger}")


def grant(table: str, run_role: str, privileges: str) -> None:
    """Grants privileges on a table, for example "SELECT, INSERT". What is not granted is refused."""
    op.execute(f"GRANT {privileges} ON {_quote(table)} TO {_quote(run_role)}")


def _quote(identifier: str) -> str:
    return op.get_bind().dialect.identifier_preparer.quote(identifier)
