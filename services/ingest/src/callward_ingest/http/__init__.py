"""The door for call platforms."""
