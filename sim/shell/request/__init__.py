"""Turns a user's request into the identity of a run."""
