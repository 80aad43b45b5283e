"""How real a built world is: `python -m bench.realism RUN`."""
