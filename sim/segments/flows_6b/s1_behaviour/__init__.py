"""6B.S1: how much, how expensively and when each party pays, and the parts of metros they live in."""
