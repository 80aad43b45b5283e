"""The model as the engine takes it: segments in order, scenarios, readers of user input, estimate of volume."""
