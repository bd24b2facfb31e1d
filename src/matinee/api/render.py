"""The engine's records as JSON bytes. Without pydantic, since this runs for every answer."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import orjson
from starlette.responses import Response

from matinee.data.catalog import COLUMNS, LIST_COLUMNS, Movie
from matinee.errors import UnknownMovieError
from matinee.posters.store import PosterStore

if TYPE_CHECKING:
    from matinee.engine.engine import Engine
    from matinee.engine.search.answers import Hit
    from matinee.engine.types import Answer, GroupAnswer, Item, PopularItem

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS


def dumps(value: Any) -> bytes:
    """JSON bytes; NaN and infinity become null."""
    return orjson.dumps(value, option=_OPTIONS, default=str)


class Json(Response):
    """A JSON response made of bytes."""

    media_type = "application/json"


def reply(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Json:
    """A JSON answer."""
    return Json(dumps(value), status, headers)


def movie_record(movie: Movie) -> dict[str, Any]:
    """All columns of a film."""
    return {name: list(getattr(movie, name)) if name in LIST_COLUMNS else getattr(movie, name) for name in COLUMNS}


def poster_path(movie_id: str) -> str:
    """Path of a film's picture; every film has one, drawn where there is no other."""
    return f"/v1/movies/{quote(movie_id, safe='')}/poster"


def metadata(movie: Movie, store: PosterStore) -> dict[str, Any]:
    """What `metadata=true` adds to an item."""
    return {
        "tags": list(movie.tags),
        "directors": list(movie.directors),
        "writers": list(movie.writers),
        "cast": list(movie.cast),
        "overview": movie.overview,
        "imdb_id": movie.imdb_id,
        "imdb_url": f"https://www.imdb.com/title/{movie.imdb_id}" if movie.imdb_id else None,
        "tmdb_id": movie.tmdb_id,
        "poster": poster_path(movie.movie_id),
        "poster_kind": store.shown(movie),
    }


def item_record(item: Item) -> dict[str, Any]:
    """A ranked film."""
    record: dict[str, Any] = {
        "movie_id": item.movie_id,
        "title": item.title,
        "year": item.year,
        "genres": item.genres,
        "score": round(float(item.score), 6),
        "rank": item.rank,
    }
    if item.stars is not None:
        record["stars"] = round(float(item.stars), 3)
    if item.because is not None:
        record["because"] = [
            {"movie_id": reason.movie_id, "title": reason.title, "share": round(float(reason.share), 4)}
            for reason in item.because
        ]
    if item.reason is not None:
        record["reason"] = item.reason
    return record


def item_records(engine: Engine, items: Iterable[Item], with_metadata: bool) -> list[dict[str, Any]]:
    """Ranked films, with metadata where asked for."""
    if not with_metadata:
        return [item_record(item) for item in items]
    records = []
    store = PosterStore.of(engine.settings, engine.dataset_name)
    for item in items:
        record = item_record(item)
        with suppress(UnknownMovieError):  # removed a moment ago
            record |= metadata(engine.movie(item.movie_id), store)
        records.append(record)
    return records


def answer_json(engine: Engine, answer: Answer, with_metadata: bool = False) -> bytes:
    """A ranked list and where it came from, as JSON."""
    record: dict[str, Any] = {
        "items": item_records(engine, answer.items, with_metadata),
        "model": answer.model,
        "snapshot": answer.snapshot,
    }
    if answer.fallback is not None:
        record["fallback"] = answer.fallback
    if answer.index is not None:
        record["index"] = answer.index
    if answer.method is not None:
        record["method"] = answer.method
    if answer.less_of is not None:
        record["less_of"] = [{"movie_id": film.movie_id, "title": film.title} for film in answer.less_of]
    if answer.user_id is not None:
        record["user_id"] = answer.user_id
    if answer.experiment is not None:
        record |= {"experiment": answer.experiment, "arm": answer.arm}
    return dumps(record)


def group_record(answer: GroupAnswer) -> dict[str, Any]:
    """A list for several people."""
    members = [[asdict(one) for one in item.members] for item in answer.items]
    return {
        "items": [item_record(item) | {"members": of} for item, of in zip(answer.items, members, strict=True)],
        "model": answer.model,
        "snapshot": answer.snapshot,
        "method": answer.method,
        "users": [asdict(one) for one in answer.users],
        "fallback": answer.fallback,
    }


def hit_record(hit: Hit, rank: int) -> dict[str, Any]:
    """One search result."""
    return {
        "movie_id": hit.movie.movie_id,
        "title": hit.movie.title,
        "year": hit.movie.year,
        "genres": list(hit.movie.genres),
        "score": round(float(hit.score), 4),
        "rank": rank,
        "matched": hit.matched,
        "how": hit.how,
        "matched_title": hit.matched_title,
        "line": hit.line,
    }


def popular_record(entry: PopularItem) -> dict[str, Any]:
    """A film of the chart."""
    return item_record(entry.item) | {"ratings": int(entry.ratings), "mean": round(float(entry.mean), 3)}
