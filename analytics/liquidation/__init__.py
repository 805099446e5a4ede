"""Where positions are closed by force: exact prices of one position, and estimated levels of the whole market."""
