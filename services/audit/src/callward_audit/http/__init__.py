"""The door for SIEM tools and auditors."""
