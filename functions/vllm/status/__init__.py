"""What a live Model's workload says of itself."""
