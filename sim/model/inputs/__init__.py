"""Files of users that become rows of the model: read once, bounded, every bad cell named."""
