"""Reading Python literals in threads: the header of each `.npy` file is one."""

from __future__ import annotations

import threading

one_literal = threading.Lock()
"""Held while a literal is read, by NumPy too: two at a time may be a SystemError ("AST constructor recursion depth
mismatch") in Python 3.11, which counts the depth for all threads together."""
