"""Posters: a folder of pictures by movie id, downloaded or added; drawn cards for movies without one."""
