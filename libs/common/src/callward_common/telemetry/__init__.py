"""Logs, traces and metrics that let nothing through but what is on an allow-list."""
