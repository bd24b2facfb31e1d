"""Content: movies that share genres, people, tags, words and looks; scores movies without ratings too."""

from matinee.models.content.model import Content, ContentConfig

__all__ = ["Content", "ContentConfig"]
