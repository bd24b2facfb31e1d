from engine_fixtures import engine, settings, trained_engine

__all__ = ["engine", "settings", "trained_engine"]
