"""A Model that is placed: what is recorded of it, and whether it stays or moves."""
