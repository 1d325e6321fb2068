"""The command against a small door that breaks connections on purpose."""
