"""A service is a value; the host runs one or six of them."""
