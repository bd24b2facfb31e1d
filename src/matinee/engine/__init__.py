"""The engine answers questions; it knows nothing of HTTP."""

from matinee.engine.engine import Engine
from matinee.engine.types import Answer, Item, Reason, Request, StateChange

__all__ = ["Answer", "Engine", "Item", "Reason", "Request", "StateChange"]
