"""The engine answers questions; it knows nothing of HTTP."""

from matinee.engine.engine import Engine
from matinee.engine.states import StateChange
from matinee.engine.types import Answer, Item, Reason, Request

__all__ = ["Answer", "Engine", "Item", "Reason", "Request", "StateChange"]
