"""What a commit changes, as entries that are stored as JSON, and how entries change documents.

A document is changed by its entries alone, so whoever applies a commit writes the same documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import orjson

from matinee.stores.base import RECORD_SPACES
from matinee.stores.elasticsearch.names import Names, document_id
from matinee.stores.records import LogRow

Address = tuple[str, str]
"""Alias of the index and id of the document."""
Source = dict[str, Any]
TEXT_FIELDS = ("genres", "tags", "directors", "writers", "cast", "countries", "languages", "keywords", "overview")
"""Fields of a movie whose texts are searched beside its title."""


class RatingEntry(NamedTuple):
    """A rating, or its deletion, and the entry that was there before, which `undo` restores."""

    seq: int
    user_id: str
    movie_id: str
    known_before: bool
    before: float | None
    after: float | None
    timestamp: int
    before_timestamp: int
    before_seq: int


class ErasureEntry(NamedTuple):
    """All data of a user were deleted."""

    seq: int
    user_id: str


class StatesEntry(NamedTuple):
    """States of a user's movies were set and removed: (state, movie, time or None) each."""

    seq: int
    user_id: str
    changes: Sequence[tuple[str, str, int | None]]


class MovieEntry(NamedTuple):
    """A movie was written.

    Attributes:
        replaces: the record is replaced by `body` (None: the movie is deleted); False: only vectors change.
        body: JSON of the record.
        vectors: (space, encoder, base64 of little-endian float32 or None for a tombstone).
        has_vectors: the document of the movie's vectors is written.
    """

    seq: int
    movie_id: str
    replaces: bool
    body: str | None
    vectors: Sequence[tuple[str, str, str | None]]
    has_vectors: bool


class KeyEntry(NamedTuple):
    """An idempotency key was used: hash of the request and the sequence number that was its result."""

    key: str
    digest: str
    seq: int
    created: float


class ImportEntry(NamedTuple):
    """An import went on.

    Attributes:
        body: JSON of its progress.
        created: time by which the document's age is told, in seconds since 1970.
    """

    key: str
    body: str
    seq: int
    created: float


Entry = RatingEntry | StatesEntry | ErasureEntry | MovieEntry | KeyEntry | ImportEntry
_KINDS: dict[str, type[Entry]] = {
    "rating": RatingEntry,
    "states": StatesEntry,
    "erasure": ErasureEntry,
    "movie": MovieEntry,
    "key": KeyEntry,
    "import": ImportEntry,
}
_NAMES = {kind: name for name, kind in _KINDS.items()}
_OF_USERS = {_NAMES[RatingEntry], _NAMES[StatesEntry]}
"""Kinds of stored entries that say what a user has rated or seen."""


def stored(entry: Entry) -> list[Any]:
    """The entry as it is stored."""
    return [_NAMES[type(entry)], *entry]


def restored(form: Sequence[Any]) -> Entry:
    """The entry of a stored form."""
    return _KINDS[form[0]](*form[1:])


def users_of(forms: Iterable[Sequence[Any]]) -> list[str]:
    """Ids of the documents of users whose ratings or states stored entries change, to find the entries of one user."""
    return list({document_id(form[2]): None for form in forms if form[0] in _OF_USERS})


def without(source: Source, user_id: str) -> Source:
    """A document that holds entries, without those of one user's ratings and states."""
    left = [form for form in source["entries"] if form[0] not in _OF_USERS or form[2] != user_id]
    return source | {"entries": left, "user": users_of(left)}


def key_address(names: Names, key: str) -> Address:
    """The document of an idempotency key."""
    return names.log, f"key-{document_id(key)}"


def import_address(names: Names, key: str) -> Address:
    """The document of an import."""
    return names.log, f"import-{document_id(key)}"


def mark_address(names: Names, token: str) -> Address:
    """The document of a mark (`Store.mark`)."""
    return names.log, f"mark-{document_id(token)}"


def user_address(names: Names, user_id: str) -> Address:
    """The document of a user."""
    return names.users, document_id(user_id)


def movie_address(names: Names, movie_id: str) -> Address:
    """The document of a movie's record."""
    return names.movies, document_id(movie_id)


def vectors_address(names: Names, movie_id: str) -> Address:
    """The document of a movie's vectors."""
    return names.vectors, document_id(movie_id)


def addresses(entries: Iterable[Entry], names: Names) -> list[Address]:
    """The documents that entries change, each once."""
    found: dict[Address, None] = {}
    for entry in entries:
        if isinstance(entry, KeyEntry):
            found[key_address(names, entry.key)] = None
        elif isinstance(entry, ImportEntry):
            found[import_address(names, entry.key)] = None
        elif isinstance(entry, MovieEntry):
            if entry.replaces:
                found[movie_address(names, entry.movie_id)] = None
            if entry.has_vectors:
                found[vectors_address(names, entry.movie_id)] = None
        else:
            found[user_address(names, entry.user_id)] = None
    return list(found)


def fold(entry: Entry, documents: Mapping[Address, Source], names: Names) -> None:
    """Change the documents that are given; those that have the entry already are not."""
    if isinstance(entry, KeyEntry):
        document = documents.get(key_address(names, entry.key))
        if document is not None:
            document |= {"kind": "key", "digest": entry.digest, "seq": entry.seq, "created": entry.created}
    elif isinstance(entry, ImportEntry):
        document = documents.get(import_address(names, entry.key))
        if document is not None:
            document |= {"kind": "import", "body": [entry.body], "seq": entry.seq, "created": entry.created}
    elif isinstance(entry, MovieEntry):
        _fold_movie(entry, documents.get(movie_address(names, entry.movie_id)) if entry.replaces else None)
        _fold_vectors(entry, documents.get(vectors_address(names, entry.movie_id)) if entry.has_vectors else None)
    else:
        document = documents.get(user_address(names, entry.user_id))
        if document is not None:
            _fold_user(entry, document)


def _fold_user(entry: RatingEntry | StatesEntry | ErasureEntry, document: Source) -> None:
    document["user_id"] = entry.user_id
    document["version"] = entry.seq
    document.setdefault("erased", None)
    document.setdefault("ratings", {})
    if isinstance(entry, ErasureEntry):
        document |= {"erased": entry.seq, "ratings": {}, "states": {}}
    elif isinstance(entry, StatesEntry):
        states = document.setdefault("states", {})
        for state, movie_id, timestamp in entry.changes:
            states.pop((state, movie_id), None)
            if timestamp is not None:
                states[state, movie_id] = (timestamp,)
    else:
        document["ratings"][entry.movie_id] = (entry.after, entry.timestamp, entry.seq)


def _fold_movie(entry: MovieEntry, document: Source | None) -> None:
    if document is None:
        return
    place = document.get("place", entry.seq)
    document.clear()
    document |= {"movie_id": entry.movie_id, "place": place, "seq": entry.seq, "body": entry.body}
    if entry.body is not None:
        document |= searched(orjson.loads(entry.body))


def searched(movie: Mapping[str, Any]) -> Source:
    """The fields of a movie's document that are searched: its titles and all other texts of its record."""
    values = (movie.get(name) for name in TEXT_FIELDS)
    flat = (part for value in values if value for part in (value if isinstance(value, list) else [value]))
    others = [movie.get("original_title"), *movie.get("alternate_titles", ())]
    names = [movie.get("title", ""), *(name for name in others if name)]
    return {"title": names if len(names) > 1 else names[0], "text": list(flat)}


def _fold_vectors(entry: MovieEntry, document: Source | None) -> None:
    if document is None:
        return
    document["movie_id"] = entry.movie_id
    document["seq"] = entry.seq
    spaces = document.setdefault("spaces", {})
    if entry.body is not None:
        for space in RECORD_SPACES:
            spaces.pop(space, None)
    for space, encoder, values in entry.vectors:
        spaces[space] = (encoder, values)


def undo(entries: Iterable[RatingEntry], ratings: dict[str, Any]) -> None:
    """Take entries, the newest first, out of a user's ratings."""
    for entry in entries:
        if entry.known_before:
            ratings[entry.movie_id] = (entry.before, entry.before_timestamp, entry.before_seq)
        else:
            ratings.pop(entry.movie_id, None)


def log_row(entry: Entry) -> LogRow | None:
    """The entry as a row of the change log; None if it does not belong there."""
    if isinstance(entry, RatingEntry):
        return entry[:7]
    if isinstance(entry, ErasureEntry | StatesEntry):
        return entry.seq, entry.user_id, None, isinstance(entry, StatesEntry), None, None, 0
    if isinstance(entry, MovieEntry):
        return entry.seq, None, entry.movie_id, False, None, None, 0
    return None


# --- stored form of documents -----------------------------------------------------------------------------------
def opened(source: Source) -> Source:
    """A document as it is worked on: a user's ratings by movie and states by both, a movie's vectors by space."""
    document = dict(source)
    if "ratings" in document:
        document["ratings"] = {movie_id: tuple(rest) for movie_id, *rest in document["ratings"]}
    if "states" in document:
        document["states"] = {(state, movie_id): tuple(rest) for state, movie_id, *rest in document["states"]}
    if "spaces" in document:
        document["spaces"] = {space: tuple(rest) for space, *rest in document["spaces"]}
    return document


def closed(document: Source) -> Source:
    """A document as it is stored. Ids are values, never names of fields, so that any text can be one."""
    source = dict(document)
    for name in ("ratings", "spaces"):
        if name in source:
            source[name] = [(key, *rest) for key, rest in source[name].items()]
    if "states" in source:
        source["states"] = [(*key, *rest) for key, rest in source["states"].items()]
    return source
