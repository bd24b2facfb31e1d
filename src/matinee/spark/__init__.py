"""Training on Spark: data that one machine reads too slowly, and lists for all users (extra `spark`)."""
