"""Speed, measured: each figure against a named peer or the naive form, in one run, as a ratio."""
