"""What ingest knows of calls, recordings and their lawful basis. Pure: standard library and errors only."""
