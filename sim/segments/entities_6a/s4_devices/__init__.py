"""6A.S4: devices."""
