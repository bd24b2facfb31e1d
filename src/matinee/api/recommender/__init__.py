"""The recommender service: scores of histories, over HTTP (port 8002; docs/classic.md, B5)."""
