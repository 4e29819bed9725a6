"""What a model needs of each GPU, and how tensor, pipeline and data parallelism divide that."""
