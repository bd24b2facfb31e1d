"""Matinee, a film recommender that one command starts."""
