"""Consent's database migrations."""
