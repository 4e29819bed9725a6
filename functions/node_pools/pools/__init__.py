"""Which machine each node pool gets, by rules that no cloud changes."""
