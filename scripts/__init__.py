"""Things run by hand."""
