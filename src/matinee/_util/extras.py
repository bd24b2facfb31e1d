"""Packages of extras: asked for before they are used, so that a missing one is a sentence and no traceback."""

from __future__ import annotations

from importlib.util import find_spec

from matinee.errors import MissingExtraError


def need(package: str, what: str, extra: str) -> None:
    """See that a package is there, without importing it.

    Args:
        package: as it is imported: "PIL".
        what: what needs it: "Reading pictures".
        extra: the extra that installs it.

    Raises:
        MissingExtraError: it is not installed.
    """
    if find_spec(package) is None:
        raise MissingExtraError(what, extra)


def need_pillow(what: str = "Reading pictures") -> None:
    """See that Pillow is there.

    Raises:
        MissingExtraError: it is not installed.
    """
    need("PIL", what, "encoders")


_HOLDERS = {"polars": ("Working with tables of data", "train"), "onnx": ("Building an encoder", "train")}
_HOLDERS |= dict.fromkeys(("onnxruntime", "tokenizers", "PIL"), ("Encoding texts and pictures", "encoders"))


def missing_extra(error: ModuleNotFoundError) -> Exception:
    """What to raise where an import failed: of a package of an extra, the sentence that names it; else the same."""
    extra = _HOLDERS.get((error.name or "").split(".")[0])
    return error if extra is None else MissingExtraError(*extra)
