"""Vector spaces made from models: places of movies by content, by both similarities, and movies of one series."""
