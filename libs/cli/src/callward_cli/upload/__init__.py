"""`callward upload`: recordings sent so that a break on either side costs nothing that was acknowledged."""
