"""The consent service: decides whether a call may be recorded and used."""
