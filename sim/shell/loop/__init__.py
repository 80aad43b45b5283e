"""The run: plan, gate, seal, execute, publish, in order."""
