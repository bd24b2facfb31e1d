"""From data to a snapshot: models, measures, vector spaces, maps, poster indexes."""
