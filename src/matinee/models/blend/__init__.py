"""Blend: a sum of other models, weighed by how much is known of a user, with a fallback per movie and per user."""

from matinee.models.blend.model import Blend, BlendConfig

__all__ = ["Blend", "BlendConfig"]
