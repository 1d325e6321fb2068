"""Retention's database migrations."""
