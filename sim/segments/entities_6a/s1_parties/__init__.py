"""6A.S1: parties."""
