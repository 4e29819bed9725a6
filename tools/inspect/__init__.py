"""`freehold inspect`: the catalog entry of a model, read from the model's own files."""
