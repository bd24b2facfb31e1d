"""Routes of the recommenders before Matinee (docs/classic.md)."""
