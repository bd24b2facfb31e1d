"""Vector spaces made from models: places of films by content, by both likenesses, and films of one series."""
