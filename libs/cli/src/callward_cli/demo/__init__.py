"""`callward demo`: one real recorded call through the public doors only."""
