"""A package as a service has it, for the tests of the mechanisms."""
