"""A local exchange server: the venues' own protocols on loopback, fed by a simulated market or a recording."""
