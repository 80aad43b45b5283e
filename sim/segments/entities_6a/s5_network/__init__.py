"""6A.S5: IP addresses."""
