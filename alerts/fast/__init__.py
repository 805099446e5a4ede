"""The engine that looks only at rules whose moment has come, however many are stored."""
