"""Content: movies that share genres, people, tags, words and looks; knows movies that nobody has rated yet."""

from matinee.models.content.model import Content, ContentConfig

__all__ = ["Content", "ContentConfig"]
