"""All data from outside: venues through ccxt, own trade streams, other sources, and a local exchange server."""
