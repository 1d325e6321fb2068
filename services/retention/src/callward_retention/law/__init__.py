"""The law of record retention as versioned data."""
