"""What serves a Model in its cluster: namespace, network policies, pods, workload and endpoint."""
