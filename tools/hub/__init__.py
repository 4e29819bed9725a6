"""A small Hub with models of random weights: `python -m tools.hub`."""
