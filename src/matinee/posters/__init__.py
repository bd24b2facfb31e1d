"""Posters: a folder of pictures by film id, fetched or added; drawn cards for films without one."""
