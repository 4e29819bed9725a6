"""Where weights come from, and how they get to the cluster."""
