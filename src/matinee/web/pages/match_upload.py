"""Reading of uploaded pictures, with error messages for visitors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from matinee.errors import InvalidInputError

AGAIN = "Choose the picture again."


def upload(label: str) -> gr.JSON:
    """A hidden input for one uploaded file. The listener gets the reference and reads it with `content`.

    A `gr.File` would check and copy the file before the listener runs, and raise if there is none.
    """
    reference = gr.JSON(label=label, visible=False)
    schema = FileData.model_json_schema()
    setattr(reference, "api_info", lambda: schema)  # noqa: B010 – describes the input as a file in the API
    return reference


def content(reference: Any) -> bytes:
    """The bytes of an uploaded file.

    Args:
        reference: `{"path": …}` of a file in Gradio's upload folder.

    Raises:
        InvalidInputError: the reference is not valid, or the file no longer exists.
    """
    path = reference.get("path") if isinstance(reference, dict) else None
    if not path or not isinstance(path, str):
        raise InvalidInputError("There is no picture yet.", "Drop, paste, photograph or choose a poster.")
    if path.lower().startswith(("http://", "https://")):
        raise InvalidInputError("A link is not a picture.", "Save the picture, and choose the file.")
    try:
        file = Path(path).resolve()
        # Requests may contain any path, but only uploaded files may be read.
        if not file.is_relative_to(Path(get_upload_folder()).resolve()):
            raise InvalidInputError("This file was not uploaded here.", AGAIN)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError("The picture did not arrive, or was dropped meanwhile.", AGAIN) from error
