"""Key-management's database migrations."""
