"""Peers in processes of their own: each prints one JSON line of what it received and what that cost."""
