"""The engine: gates, loads, computes, checks and publishes any state of any model."""
