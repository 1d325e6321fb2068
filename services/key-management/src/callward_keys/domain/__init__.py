"""What key-management knows and decides: pure, without I/O."""
