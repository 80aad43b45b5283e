"""6B.S8: exchange rates."""
