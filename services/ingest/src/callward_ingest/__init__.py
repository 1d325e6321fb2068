"""The service ingest: takes calls and recordings in, seals them while they arrive, and gives a signed receipt."""
