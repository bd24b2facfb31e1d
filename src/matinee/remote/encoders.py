"""Encoders behind HTTP: the encoder service, with the interface of a local encoder."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from matinee._util.progress import Progress, silent
from matinee.encoders.base import Image, Vectors
from matinee.errors import EncoderError, InvalidInputError, TooLargeError
from matinee.remote.connection import Connection

T = TypeVar("T", str, bytes)
TIMEOUT = 30.0
"""Seconds that one request may take."""
_TEXTS, _IMAGES = 64, 16
"""In one request, at most: answers come soon enough to show progress, and other requests come between."""


@dataclass(frozen=True)
class _Facts:
    """An encoder's record at the service, and the limits of a request."""

    id: str
    dim: int
    texts: int
    characters: int
    images: int
    bytes: int


class _Remote:
    """What both encoders have in common. Thread-safe."""

    _kind = ""

    def __init__(self, url: str, timeout: float = TIMEOUT, key: str = "") -> None:
        self._connection = Connection(
            url,
            timeout,
            service="encoder",
            start="matinee serve encoder",
            setting="MATINEE_ENCODER_URL",
            failure=EncoderError,
            key=key,
        )
        self._lock = threading.Lock()
        self._cached: _Facts | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._connection.url}>"

    @property
    def id(self) -> str:
        """See `TextEncoder`. Raises EncoderError where the service has not been reached yet and cannot be."""
        return self._facts().id

    @property
    def dim(self) -> int:
        """Values in a vector; raises as `id`."""
        return self._facts().dim

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def _facts(self) -> _Facts:
        with self._lock:
            if self._cached is None:
                self._cached = self._ask_facts()
            return self._cached

    def _ask_facts(self) -> _Facts:
        answer = self._connection.ask("GET", "/encoders")
        try:
            record = next(one for one in answer["items"] if one["kind"] == self._kind)
            if record["problem"] is not None:
                raise EncoderError(f"The encoder service at {self._connection.url} cannot answer: {record['problem']}")
            limits = {name: int(answer["limits"][name]) for name in ("texts", "characters", "images", "bytes")}
            return _Facts(str(record["id"]), int(record["dim"]), **limits)
        except (KeyError, TypeError, ValueError, StopIteration) as error:
            raise self._connection.unexpected("it has no such encoder") from error

    def _encode(
        self,
        groups: Iterable[list[T]],
        body: Callable[[list[T]], dict[str, Any]],
        total: int,
        progress: Progress | None,
    ) -> Vectors:
        """Vectors of all groups, a request each; `body` makes the arguments of `Connection.ask`."""
        report = progress or silent
        parts, done = [np.zeros((0, self.dim), dtype=np.float32)], 0
        for group in groups:
            parts.append(self._vectors(self._connection.ask("POST", "/embed", **body(group)), len(group)))
            done += len(group)
            report(f"Encoding {self._kind}s", done / total)
        return np.concatenate(parts)

    def _vectors(self, answer: dict[str, Any], count: int) -> Vectors:
        """The vectors of an answer, (count, dim).

        Raises:
            EncoderError: the answer is not valid, or another encoder has made it.
        """
        facts = self._facts()
        if answer.get("encoder") != facts.id:
            with self._lock:
                self._cached = None
            raise EncoderError(
                f"The encoder service at {self._connection.url} runs {answer.get('encoder')!r} now, not {facts.id!r}.",
                "Ask again; where vectors of the two would meet, set the encoder that the snapshot names.",
            )
        try:
            vectors = np.asarray(answer["vectors"], dtype=np.float32)
        except (KeyError, TypeError, ValueError) as error:
            raise self._connection.unexpected("the answer has no vectors") from error
        if vectors.shape != (count, facts.dim) or not np.isfinite(vectors).all():
            raise self._connection.unexpected(f"the answer has vectors of shape {vectors.shape}")
        return vectors


class RemoteTextEncoder(_Remote):
    """A `TextEncoder` behind HTTP.

    Args:
        url: of the encoder service: `http://host:8001`.
        timeout: seconds that one request may take; long lists are sent in several.

    Raises:
        EncoderError: `url` is not a web address.
    """

    _kind = "text"

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """As `TextEncoder.encode`; EncoderError also where the service does not answer or is overloaded."""
        for position, text in enumerate(texts):
            if not text.strip():
                raise InvalidInputError(f"Text {position} is empty or blank.", "Send texts with words in them.")
        facts = self._facts()
        cut = (_cut(text, facts.characters) for text in texts)
        groups = _groups(cut, min(_TEXTS, facts.texts), facts.bytes // 8, lambda text: 6 * len(text))
        return self._encode(groups, lambda some: {"json": {"texts": some}}, len(texts), progress)


class RemoteImageEncoder(_Remote):
    """An `ImageEncoder` behind HTTP; arguments as `RemoteTextEncoder`. Files are read here and sent."""

    _kind = "image"

    def encode(self, images: Sequence[Image], progress: Progress | None = None) -> Vectors:
        """As `ImageEncoder.encode`; EncoderError also where the service does not answer or is overloaded."""
        facts = self._facts()
        contents = (_content(image, facts.bytes) for image in images)
        groups = _groups(contents, min(_IMAGES, facts.images), facts.bytes // 2, len)
        return self._encode(
            groups,
            lambda some: {"files": [("images", ("image", content, "application/octet-stream")) for content in some]},
            len(images),
            progress,
        )


def _cut(text: str, characters: int) -> str:
    """A text as JSON can hold it, as far as the service takes it: the model reads less of it anyway."""
    if len(text) > characters:
        text = text[:characters] if text[:characters].strip() else text.strip()[:characters]
    # Lone surrogates are not valid Unicode; a local encoder replaces them in the same way.
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _content(image: Image, limit: int) -> bytes:
    """The bytes of an image; raises TooLargeError, or InvalidInputError for a file that cannot be read."""
    if isinstance(image, Path):
        try:
            with image.open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            raise InvalidInputError(
                f"{image} cannot be read ({error.strerror or error}).", "Check the file."
            ) from error
    else:
        content = image
    if len(content) > limit:
        raise TooLargeError(f"The image has more than {limit:,} bytes.", "Make it smaller, or compress it more.")
    return content


def _groups(values: Iterable[T], max_values: int, size: int, size_of: Callable[[T], int]) -> Iterator[list[T]]:
    """Values in lists of at most `max_values`, and of at most `size` in all where there is more than one."""
    group: list[T] = []
    held = 0
    for value in values:
        if group and (len(group) >= max_values or held + size_of(value) > size):
            yield group
            group, held = [], 0
        group.append(value)
        held += size_of(value)
    if group:
        yield group
