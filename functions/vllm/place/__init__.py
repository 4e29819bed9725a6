"""Which cluster and node pool a Model gets, and why no other."""
