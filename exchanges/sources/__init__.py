"""Sources that are not exchanges; each is optional."""
