"""Tenants as every service sees them: the model, and the projection from the register's events."""
