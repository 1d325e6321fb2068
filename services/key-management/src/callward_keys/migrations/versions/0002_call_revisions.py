"""Keys of revisions: a call's metadata that became known late is sealed under a key of its own."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_CONSTRAINT = "data_keys_subject_kind"


def upgrade() -> None:
    """Admits the kind of subject. Every row that the old rule admitted keeps the new one."""
    op.drop_constraint(_CONSTRAINT, "data_keys", type_="check")
    op.create_check_constraint(
        _CONSTRAINT, "data_keys", "subject_kind IN ('recording', 'call', 'call-revision')"
    )
