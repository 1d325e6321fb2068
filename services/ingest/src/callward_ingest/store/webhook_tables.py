"""The tables of webhooks, as their migration makes them."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY

METADATA = sa.MetaData()
_MOMENT = sa.DateTime(timezone=True)
_ID = sa.Uuid(as_uuid=False)

#: Receivers. A removed one stays as an id without its URL: no id ever stands for another receiver.
WEBHOOKS = sa.Table(
    "webhooks",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("webhook_id", _ID, primary_key=True),
    sa.Column("url", sa.Text, nullable=False),
    sa.Column("events", ARRAY(sa.Text), nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("secret_version", sa.Integer, nullable=False),
    sa.Column("previous_until", _MOMENT),
    sa.Column("failing_since", _MOMENT),
    sa.Column("disabled_reason", sa.Text),
    sa.Column("disabled_at", _MOMENT),
    sa.Column("removed_at", _MOMENT),
)

#: Deliveries: one event for one receiver. `body` holds ids, codes and times.
DELIVERIES = sa.Table(
    "webhook_deliveries",
    METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("delivery_id", _ID, primary_key=True),
    sa.Column("webhook_id", _ID, nullable=False),
    sa.Column("event_id", _ID, nullable=False),
    sa.Column("type", sa.Text, nullable=False),
    sa.Column("body", sa.LargeBinary, nullable=False),
    sa.Column("created_at", _MOMENT, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("tries", sa.Integer, nullable=False),
    sa.Column("last_status", sa.Integer),
    sa.Column("last_error", sa.Text),
    sa.Column("last_attempt_at", _MOMENT),
    sa.Column("next_attempt_at", _MOMENT),
)

#: What the sender has to do, of all tenants: ids and times alone, and therefore without row-level security.
#: A delivery that has ended stays listed until it is cleared away.
WORK = sa.Table(
    "webhook_work",
    METADATA,
    sa.Column("delivery_id", _ID, primary_key=True),
    sa.Column("tenant_id", sa.Text, nullable=False),
    sa.Column("webhook_id", _ID, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("due_at", _MOMENT, nullable=False),
    sa.Column("lease", _ID),
)
SEND, CLEAR = "send", "clear"
