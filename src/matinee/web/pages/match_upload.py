"""An uploaded picture out of whatever a caller sends: what is wrong is said in friendly words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from gradio.data_classes import FileData
from gradio.utils import get_upload_folder

from matinee.errors import InvalidInputError

AGAIN = "Choose the picture again."


def upload(label: str) -> gr.JSON:
    """A hidden input for one uploaded file; the listener gets the reference, to be read with `content`.

    A `gr.File` would check and copy the file before the listener runs, and raise where there is none.
    """
    reference = gr.JSON(label=label, visible=False)
    schema = FileData.model_json_schema()
    setattr(reference, "api_info", lambda: schema)  # noqa: B010 – programs are told that this is a file
    return reference


def content(reference: Any) -> bytes:
    """The bytes of an uploaded file, as they were sent.

    Args:
        reference: `{"path": …}` of a file in Gradio's upload folder.

    Raises:
        InvalidInputError: it is none, or the file is no longer there.
    """
    path = reference.get("path") if isinstance(reference, dict) else None
    if not path or not isinstance(path, str):
        raise InvalidInputError("There is no picture yet.", "Drop, paste, photograph or choose a poster.")
    if path.lower().startswith(("http://", "https://")):
        raise InvalidInputError("A link is no picture.", "Save the picture, and choose the file.")
    try:
        file = Path(path).resolve()
        # Anybody can write a path into a request; only what was uploaded may be read.
        if not file.is_relative_to(Path(get_upload_folder()).resolve()):
            raise InvalidInputError("This file was not uploaded here.", AGAIN)
        return file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError("The picture did not arrive, or was dropped meanwhile.", AGAIN) from error
