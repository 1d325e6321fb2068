"""The database: transactions with a tenant, the outbox and its relay, the inbox, migrations."""

from callward_common.db.database import Database, DatabaseUnavailable
from callward_common.db.relay import OutboxRelay
from callward_common.db.tracker import WatermarkTracker
from callward_common.db.transaction import Transaction

__all__ = ["Database", "DatabaseUnavailable", "OutboxRelay", "Transaction", "WatermarkTracker"]
