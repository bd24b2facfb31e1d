"""The encoder service: texts and images as vectors, over HTTP (port 8001; docs/classic.md, B5)."""
