"""Levels per channel: how loud, how silent, how often clipped."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

# One entry per channel in each, or none in any.
LEVELS_WHOLE = """
    num_nulls(rms_dbfs, peak_dbfs, silence, clipped) IN (0, 4)
    AND (rms_dbfs IS NULL OR (
        cardinality(peak_dbfs) = cardinality(rms_dbfs)
        AND cardinality(silence) = cardinality(rms_dbfs)
        AND cardinality(clipped) = cardinality(rms_dbfs)
        AND cardinality(rms_dbfs) IN (0, channels)
    ))
"""


def upgrade() -> None:
    # The run role's grants are on the whole table, and the guard holds whichever column: nothing more is needed.
    for name, kind in (
        ("rms_dbfs", sa.Double()),
        ("peak_dbfs", sa.Double()),
        ("silence", sa.Double()),
        ("clipped", sa.BigInteger()),
    ):
        op.add_column("recordings", sa.Column(name, ARRAY(kind)))
    op.create_check_constraint("recordings_levels_whole", "recordings", LEVELS_WHOLE)
