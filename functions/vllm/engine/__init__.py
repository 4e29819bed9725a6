"""The arguments, environment and probes of the serving engine."""
