"""Audit's rules: pure, no input or output."""
