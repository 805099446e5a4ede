"""Revisions of the main half."""
