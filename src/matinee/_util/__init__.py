"""Helpers shared by all packages: top-n selection, atomic files, progress callbacks, signals, versions."""
