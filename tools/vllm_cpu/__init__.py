"""The real vLLM on this machine's CPU, at the version that Freehold deploys, for `make contract`."""
