"""A real control plane as processes of this machine: API server, Crossplane core, providers, functions."""
