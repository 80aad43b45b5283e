"""Run directories as readers see them: opened, verified, listed, removed."""
