"""The vector service: nearest films by vectors, over HTTP (port 5000; CONTRACTS B1)."""
