"""Run directories as readers see them: open, verify, list and remove a run."""
