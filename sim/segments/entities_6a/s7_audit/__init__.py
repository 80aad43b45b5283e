"""6A.S7: the audit."""
