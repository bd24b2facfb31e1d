"""Vector spaces made from models: places of films by content, by both similarities, and films of one series."""
