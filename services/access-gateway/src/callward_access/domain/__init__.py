"""The gateway's rules: pure, no input or output."""
