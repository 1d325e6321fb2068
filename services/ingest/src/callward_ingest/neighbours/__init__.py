"""The other components as ingest calls them, over gRPC."""
