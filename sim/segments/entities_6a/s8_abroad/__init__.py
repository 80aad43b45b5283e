"""6A.S8: devices abroad."""
