"""`callward`: the command for people."""
