"""Events that a run reports while it works, and the listeners that render them."""
