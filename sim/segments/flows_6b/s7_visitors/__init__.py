"""6B.S7: visitors."""
