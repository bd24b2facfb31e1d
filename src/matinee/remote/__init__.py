"""The protocols of encoders and indexes, spoken over HTTP, so that services split without new code paths."""
