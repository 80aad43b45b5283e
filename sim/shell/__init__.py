"""The shell: gate, load, compute, validate, publish - written once, for every state."""
