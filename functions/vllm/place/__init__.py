"""Where a new Model goes: the clusters it may use, the node pools that hold it, and why the others do not."""
