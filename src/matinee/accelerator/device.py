"""Which GPU the work of this context is given to, if any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib.util import find_spec
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

from matinee.errors import MatineeError, MissingExtraError
from matinee.settings import Settings

P = ParamSpec("P")
R = TypeVar("R")
Wanted = Literal["auto", "cpu", "gpu"]

PLUGINS = ("jax_cuda13_plugin", "jax_cuda12_plugin", "jax_rocm7_plugin", "jax_rocm60_plugin")
"""Packages of which JAX needs one for a GPU. Without any of them JAX is not imported, which takes a second."""

_device: ContextVar[Any] = ContextVar("device", default=None)


def find_device(wanted: Wanted = "auto") -> Any:
    """The first GPU that JAX sees, a `jax.Device`; None: the processors do the work.

    Args:
        wanted: "auto": a GPU where there is one; "gpu": an error where there is none; "cpu": none.

    Raises:
        MissingExtraError: "gpu", and JAX has no plugin for one.
        MatineeError: "gpu", and JAX sees none.
    """
    if wanted == "cpu":
        return None
    if find_spec("jax") is None or not any(map(find_spec, PLUGINS)):
        if wanted == "gpu":
            raise MissingExtraError("A GPU", "gpu")
        return None
    import jax

    try:
        return jax.devices("gpu")[0]
    except RuntimeError as error:
        if wanted == "gpu":
            raise MatineeError(
                f"JAX sees no GPU: {error}.", "See that `nvidia-smi` lists one, or set MATINEE_DEVICE=cpu."
            ) from error
        return None


@contextmanager
def use_device(device: Any) -> Iterator[None]:
    """Give the work of this block to a device, a `jax.Device`; None: to the processors."""
    token = _device.set(device)
    try:
        yield
    finally:
        _device.reset(token)


def current_device() -> Any:
    """The device of this context, a `jax.Device`; None: the processors do the work."""
    return _device.get()


def on_device(work: Callable[Concatenate[Settings, P], R]) -> Callable[Concatenate[Settings, P], R]:
    """Give the work of a function to the device that its settings, the first argument, ask for."""

    @wraps(work)
    def given(settings: Settings, /, *args: P.args, **kwargs: P.kwargs) -> R:
        with use_device(find_device(settings.device)):
            return work(settings, *args, **kwargs)

    return given
