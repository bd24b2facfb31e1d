"""ONNX Runtime sessions: on the CPU, with one thread and without a memory arena."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from matinee.errors import EncoderError, MissingExtraError

if TYPE_CHECKING:
    import onnxruntime


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on the CPU, of one thread; safe to run from several threads at once.

    Args:
        path: a model file; weights beside it (`model.onnx_data`) are found by its own folder.

    Raises:
        EncoderError: the file is missing, or no model that ONNX Runtime can run.
        MissingExtraError: ONNX Runtime is not installed.
    """
    # Its Linux builds report to their maker, and keep a device id in the user's folder. Read when the library loads.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("Encoding texts and pictures", "encoders") from error
    if not path.is_file():
        raise EncoderError(
            f"There is no model file {path}.", "Name an existing file in the settings, or one of the built-in encoders."
        )
    options = onnxruntime.SessionOptions()
    # Under load two threads a session were two to three times slower than one: the server's requests are the threads.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    # The arena would keep the memory of the largest batch ever seen, and is not faster for these networks.
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # errors are raised, so nothing is printed
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises many unrelated types
        raise EncoderError(
            f"The model {path} cannot be opened ({_first_line(error)}).",
            "Name another ONNX file in the settings, or delete the folder of a built-in encoder to build it again.",
        ) from error


def _first_line(error: Exception) -> str:
    """The first line of a message, truncated."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200]
