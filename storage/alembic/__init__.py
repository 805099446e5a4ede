"""Migrations: `main/` and `market/` hold the revisions of the two halves, `env.py` runs them."""
