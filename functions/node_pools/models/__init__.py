"""What is between a cluster and its Models: what it offers them, what they use of it, and guards."""
