"""Development adapters and the host that runs everything in one process. Never for production: it refuses to be."""
