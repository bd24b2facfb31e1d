"""Search: movies by title and by what they are about, fused."""
