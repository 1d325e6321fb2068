"""Calling receivers outside: names, addresses, connections."""
