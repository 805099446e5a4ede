"""Alerts: kinds compile words to conditions, the engine watches them, the outbox delivers."""
