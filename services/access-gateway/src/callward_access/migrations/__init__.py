"""The access gateway's database migrations."""
