"""6B.S4: who paid for each arrival."""
