"""Measurements, side by side with what they are compared to. Run by hand (`make bench`), asserted nowhere."""
