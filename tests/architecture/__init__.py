"""The shape of the code, held by tests: sizes, imports, side effects, what may stand in a file."""
