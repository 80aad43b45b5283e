"""6A.S6: fraud roles."""
