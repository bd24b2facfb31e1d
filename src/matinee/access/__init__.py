"""Who may use the services: API keys and their roles, when they are demanded, limits of requests, the audit log."""

from __future__ import annotations

from matinee.access.demand import check_start, is_loopback, keys_are_demanded
from matinee.access.key_file import KeyFile
from matinee.access.keys import ROLES, Key, Role, new_key

__all__ = ["ROLES", "Key", "KeyFile", "Role", "check_start", "is_loopback", "keys_are_demanded", "new_key"]
