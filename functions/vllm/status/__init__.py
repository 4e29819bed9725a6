"""What a Model's conditions say of its weights and of its serving pods."""
