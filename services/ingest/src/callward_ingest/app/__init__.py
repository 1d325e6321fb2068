"""The use cases of ingest, split by use case."""
