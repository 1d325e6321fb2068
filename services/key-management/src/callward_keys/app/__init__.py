"""The use cases of key-management, one unit of work each."""
