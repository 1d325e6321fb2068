"""The law of recording consent as versioned data."""
