"""The versions of ingest's database."""
