"""The vector service: nearest films by vectors, over HTTP (port 5000; docs/classic.md, B1)."""
