"""Orders and the gates before them."""
