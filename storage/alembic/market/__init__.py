"""Revisions of the market half."""
