"""Ingest's tables and SQL."""

from callward_ingest.store.units import DatabaseUnits

__all__ = ["DatabaseUnits"]
