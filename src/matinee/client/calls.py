"""Every call of the core service that its clients make: method, path, query and body, in one place.

Functions return a `Call`; options that are None are left out, so that the core's own default counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote


@dataclass(frozen=True)
class Call:
    """One request to the core.

    Attributes:
        path: with its parameters in place.
        params: the query, without what is None.
        json: a body to be sent as JSON.
        image: a body to be sent as it is: the bytes of a picture or a file.
        raw: the answer is bytes, not JSON.
        streams: the body is sent while it is made, as NDJSON (`Client.upload`).
    """

    method: str
    path: str
    params: Mapping[str, Any] = field(default_factory=dict)
    json: Any = None
    image: bytes | None = None
    raw: bool = False
    streams: bool = False


def _call(
    verb: str, /, *path: str, json: Any = None, image: bytes | None = None, raw: bool = False, **query: Any
) -> Call:
    given = {name: _text(value) for name, value in query.items() if value is not None}
    return Call(verb, "/" + "/".join(map(_segment, path)), given, json, image, raw)


def _segment(part: str) -> str:
    quoted = quote(part, safe="", errors="surrogatepass")
    # Dots alone would be read as relative path segments.
    return quoted.replace(".", "%2E") if set(part) <= {"."} else quoted


def _text(value: Any) -> Any:
    if isinstance(value, str):  # lone surrogates, which JSON can hold, cannot be sent
        return value.encode(errors="replace").decode()
    return str(value).lower() if isinstance(value, bool) else value


# --- recommendations -------------------------------------------------------------------------------------------
def recommendations(
    user_id: str,
    *,
    n: int | None = None,
    model: str | None = None,
    filter: str | None = None,
    exclude: Sequence[str] | None = None,
    diversity: float | None = None,
    adventurous: float | None = None,
    explain: bool | None = None,
    include_seen: bool | None = None,
    metadata: bool | None = None,
) -> Call:
    """Ranked films for a user."""
    return _call(
        "GET",
        "v1",
        "users",
        user_id,
        "recommendations",
        n=n,
        model=model,
        filter=filter or None,
        exclude=",".join(exclude) if exclude else None,
        diversity=diversity,
        adventurous=adventurous,
        explain=explain,
        include_seen=include_seen,
        metadata=metadata,
    )


def recommendations_for(ratings: Mapping[str, float | None], **options: Any) -> Call:
    """Ranked films for somebody who is not stored: film id → stars (None: liked); options as `recommendations`."""
    rated = [{"movie_id": key} | ({} if stars is None else {"rating": stars}) for key, stars in ratings.items()]
    body = {"ratings": rated} | {name: value for name, value in options.items() if value is not None}
    return _call("POST", "v1", "recommendations", json=body)


def explanation(user_id: str, movie_id: str, *, model: str | None = None) -> Call:
    """Why a film for a user: shares, neighbors, factors."""
    return _call("GET", "v1", "users", user_id, "explanations", movie_id, model=model)


def favourites(
    movies: Sequence[str] | None = None, *, movie_ids: Sequence[str] | None = None, model: str, top_n: int = 10
) -> Call:
    """A few favorites in, by title or by id (one of both), titles out (docs/classic.md, B2).

    Args:
        model: "content" or "collab".
    """
    given = {"movies": list(movies)} if movies is not None else {"movie_ids": list(movie_ids or ())}
    return _call("POST", "favourites", json=given | {"model": model, "top_n": top_n})


def similar_titles(model: str, n: int, title: str, *, space: str | None = None, method: str | None = None) -> Call:
    """A title in, similar films out (docs/classic.md, B3).

    Args:
        model: faiss, annoy, exact or hnsw.
        space: content, taste or plot.
        method: of plots: tfidf or embedding.
    """
    body = {"model": model, "n_recommendations": n, "movie_title": title}
    given = {"space": space, "method": method}
    return _call("POST", "recommendation", json=body | {name: value for name, value in given.items() if value})


# --- users -----------------------------------------------------------------------------------------------------
def users(prefix: str = "", *, limit: int | None = None, offset: int | None = None) -> Call:
    """Users whose id begins so, with their number of ratings."""
    return _call("GET", "v1", "users", prefix=prefix or None, limit=limit, offset=offset)


def history(user_id: str) -> Call:
    """A user's ratings, newest first; 404 where there are none."""
    return _call("GET", "v1", "users", user_id, "ratings")


def rate(user_id: str, movie_id: str, stars: float) -> Call:
    """Store one rating."""
    return _call("PUT", "v1", "users", user_id, "ratings", movie_id, json={"rating": stars})


def unrate(user_id: str, movie_id: str) -> Call:
    """Delete one rating; 404 if there is none."""
    return _call("DELETE", "v1", "users", user_id, "ratings", movie_id)


def neighbors(user_id: str, *, n: int | None = None) -> Call:
    """Users of similar taste."""
    return _call("GET", "v1", "users", user_id, "neighbors", n=n)


# --- states, histories, groups ---------------------------------------------------------------------------------
def states(user_id: str, *, state: str | None = None, limit: int | None = None, offset: int | None = None) -> Call:
    """Films that a user has seen, put on the list, or does not want; newest first."""
    return _call("GET", "v1", "users", user_id, "states", state=state, limit=limit, offset=offset)


def set_state(user_id: str, state: str, movie_id: str) -> Call:
    """Put a film into a state: seen, watchlist or not_interested."""
    return _call("PUT", "v1", "users", user_id, "states", state, movie_id)


def unset_state(user_id: str, state: str, movie_id: str) -> Call:
    """Take a film out of a state."""
    return _call("DELETE", "v1", "users", user_id, "states", state, movie_id)


def set_states(user_id: str, states: Sequence[Mapping[str, Any]], *, unknown: str | None = None) -> Call:
    """Set and take back states of many films: movie_id, state, and where they are wanted remove and timestamp.

    Args:
        unknown: "skip" stores what can be, and lists the other films.
    """
    body = {"states": [dict(one) for one in states]}
    return _call("POST", "v1", "users", user_id, "states", json=body, unknown=unknown)


def import_history(
    user_id: str,
    file: bytes,
    *,
    name: str | None = None,
    layout: str | None = None,
    scale: str | None = None,
    preview: bool | None = None,
) -> Call:
    """Store a history that another site has exported, or only say what is in it."""
    return _call(
        "POST", "v1", "users", user_id, "import", image=file, name=name, layout=layout, scale=scale, preview=preview
    )


def group_recommendations(people: Sequence[str], *, way: str | None = None, **options: Any) -> Call:
    """Ranked films for several users together; options as `recommendations`, but for explain and metadata.

    Args:
        way: average, or least_misery.
    """
    body = {"users": list(people), "method": way} | options
    given = {name: value for name, value in body.items() if value is not None}
    return _call("POST", "v1", "recommendations", "group", json=given)


def claim(user_id: str, guest: str) -> Call:
    """Give what a guest has rated to a user."""
    return _call("POST", "v1", "users", user_id, "claim", json={"from": guest})


# --- films -----------------------------------------------------------------------------------------------------
def movie(movie_id: str) -> Call:
    """One film's record."""
    return _call("GET", "v1", "movies", movie_id)


def movies(
    *, filter: str | None = None, sort: str | None = None, offset: int | None = None, limit: int | None = None
) -> Call:
    """A page of the catalog; "-" in front turns the sort.

    Args:
        sort: movie_id, title, year, ratings, mean, popularity or top_rated.
    """
    return _call("GET", "v1", "movies", filter=filter or None, sort=sort, offset=offset, limit=limit)


def titles() -> Call:
    """Ids, titles and years of all films."""
    return _call("GET", "v1", "titles")


def movie_ratings(movie_id: str) -> Call:
    """How many people gave a film how many stars."""
    return _call("GET", "v1", "movies", movie_id, "ratings")


def similar(
    movie_id: str,
    *,
    by: str | None = None,
    index: str | None = None,
    n: int | None = None,
    filter: str | None = None,
    metadata: bool | None = None,
    method: str | None = None,
) -> Call:
    """Films similar to one film.

    Args:
        by: taste, content, poster, blend or plot.
        method: of plots: tfidf or embedding.
    """
    return _call(
        "GET",
        "v1",
        "movies",
        movie_id,
        "similar",
        by=by,
        index=index,
        n=n,
        filter=filter or None,
        metadata=metadata,
        method=method,
    )


def search(
    text: str, *, n: int | None = None, by: str | None = None, filter: str | None = None, plain: bool | None = None
) -> Call:
    """Films by title and by meaning; by: both, title or meaning; plain: the text is not read as a wish."""
    return _call("GET", "v1", "search", q=text, n=n, by=by, filter=filter or None, plain=plain)


def people(text: str, *, n: int | None = None, filter: str | None = None) -> Call:
    """People by name, with their films."""
    return _call("GET", "v1", "people", q=text, n=n, filter=filter or None)


def popular(
    *,
    by: str | None = None,
    n: int | None = None,
    genre: str | None = None,
    days: float | None = None,
    filter: str | None = None,
) -> Call:
    """A chart, the same for everybody; by: popular, trending or top_rated."""
    return _call("GET", "v1", "popular", by=by, n=n, genre=genre, days=days, filter=filter or None)


def poster(movie_id: str, *, small: bool = False) -> Call:
    """The picture of a film, as bytes."""
    return _call("GET", "v1", "movies", movie_id, "poster", raw=True, size="small" if small else None)


def poster_search(
    image: bytes,
    *,
    k: int | None = None,
    filter: str | None = None,
    index: str | None = None,
    metadata: bool | None = None,
) -> Call:
    """The films whose posters look most like a picture."""
    return _call(
        "POST", "v1", "posters", "search", image=image, k=k, filter=filter or None, index=index, metadata=metadata
    )


def film_map(space: str | None = None) -> Call:
    """Every film's place in two dimensions."""
    return _call("GET", "v1", "map", space=space)


# --- imports ---------------------------------------------------------------------------------------------------
def import_lines(key: str, *, start: int | None = None, on_error: str | None = None) -> Call:
    """Store ratings and films of any number, NDJSON; `start` of the import's lines come before the body."""
    query = {"key": key, "from": start, "on_error": on_error}
    given = {name: value for name, value in query.items() if value is not None}
    return Call("POST", "/v1/imports", given, streams=True)


def import_progress(key: str) -> Call:
    """How far an import has come."""
    return _call("GET", "v1", "imports", key)


def export_history(user_id: str, *, layout: str | None = None) -> Call:
    """A person's ratings and states as a file, as bytes; layout: csv, letterboxd, imdb or trakt."""
    return _call("GET", "v1", "users", user_id, "export", layout=layout, raw=True)


# --- what is served --------------------------------------------------------------------------------------------
def models() -> Call:
    """The models in service, with their metrics, seconds and bytes."""
    return _call("GET", "v1", "models")


def snapshots() -> Call:
    """The snapshots there are."""
    return _call("GET", "v1", "snapshots")


def runs() -> Call:
    """The stored runs of evaluations."""
    return _call("GET", "v1", "runs")


def experiments() -> Call:
    """All experiments, the newest first."""
    return _call("GET", "v1", "experiments")


def experiment(name: str) -> Call:
    """What an experiment has shown."""
    return _call("GET", "v1", "experiments", name)


def run(run_id: str) -> Call:
    """One stored run: its report, and what a search tried."""
    return _call("GET", "v1", "runs", run_id)


def statistics(*, filter: str | None = None) -> Call:
    """Ratings in numbers: over time, per user, per film, by genre, decade, director."""
    return _call("GET", "v1", "statistics", filter=filter or None)


def report() -> Call:
    """What cleaning the data dropped and changed, with reasons."""
    return _call("GET", "v1", "report")


def ready() -> Call:
    """Whether the core can answer."""
    return _call("GET", "ready")
