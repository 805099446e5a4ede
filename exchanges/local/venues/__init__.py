"""The venues a local exchange server speaks for, one file or package each."""
