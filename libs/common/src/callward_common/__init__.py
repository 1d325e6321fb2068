"""Mechanisms shared by the services of Callward: no business noun lives here."""
