"""Timings of closedworld and of its peers; `closedworld bench` runs them from a checkout."""
