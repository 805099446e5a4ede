"""What each venue's REST answers look like, and how one row becomes a market type."""
