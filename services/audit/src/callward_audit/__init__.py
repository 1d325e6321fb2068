"""Writes the ledger that nobody can update, and proves it."""
