"""The retention service: plans how long a recording is kept."""
