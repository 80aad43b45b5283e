"""6B.S9: prices of shops."""
