"""Audit's database migrations."""
