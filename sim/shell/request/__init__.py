"""From what a user asked for to the identity of a run."""
