"""Commands for posters: add a folder, fetch from The Movie Database, status, search."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from matinee.cli.console import (
    AsJson,
    load_settings,
    note,
    number,
    open_engine,
    plain,
    print_json,
    progress_bar,
    table,
)
from matinee.cli.movies import all_movies
from matinee.data.titles import with_year

if TYPE_CHECKING:
    from matinee.engine import Engine
    from matinee.posters.store import PosterStore
    from matinee.settings import Settings

app = typer.Typer(help="Posters: add a folder, fetch from The Movie Database, search.", no_args_is_help=True)

Index = Annotated[bool, typer.Option("--index/--no-index", help="Index the new posters, so that searches find them.")]
_WHY = {
    "unknown": "names mean no film of the catalog",
    "not_pictures": "are not JPEG, PNG, WebP or AVIF pictures, or are damaged",
    "too_large": "are too large (MATINEE_MAX_BODY, MATINEE_MAX_PIXELS)",
    "ambiguous": "are of a film that an earlier file is of",
    "no_poster": "have no poster at TMDB; asked again after 30 days",
    "known_none": "had none when last asked",
    "no_id": "have neither a TMDB id nor an IMDb id",
    "broken": "have a picture there that cannot be used",
    "failed": "got no answer; repeat the command",
    "left": "were not asked; repeat the command",
}
_KINDS = {"movie": "film ids", "imdb": "IMDb ids", "tmdb": "TMDB ids"}


def store_of(engine: Engine) -> PosterStore:
    """The poster store of the data set in service. Pictures are decoded before they are stored."""
    from matinee.encoders.decode import decode
    from matinee.posters.store import PosterStore

    settings = engine.settings
    check = partial(decode, max_bytes=settings.max_body, max_pixels=settings.max_pixels, at_least=(160, 240))
    return PosterStore.of(settings, engine.dataset_name, check)


@app.command("add")
def add(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of pictures, read with its subfolders.")],
    by: Annotated[
        Literal["movie", "imdb", "tmdb"] | None,
        typer.Option("--by", help="What files are named by: film ids, IMDb ids or TMDB ids. Default: detected."),
    ] = None,
    index: Index = True,
    json: AsJson = False,
) -> None:
    """Add the pictures of a folder, named by film id, IMDb id or TMDB id (318.jpg, tt0111161.png)."""
    from matinee.posters.folder import add_folder

    settings = load_settings()
    with open_engine(settings) as engine, progress_bar() as progress:
        movies = (movie for movie, _ in all_movies(engine, "ratings"))
        report = add_folder(folder, movies, store_of(engine), by=by, progress=progress)
    if not json:
        _print_reasons("Files", report)
        if report.numbers is not None and by is None:
            note(f"Numbers were read as {_KINDS[report.numbers]}; --by says otherwise.")
        typer.echo(
            f"{report.added:,} posters added, {report.replaced:,} replaced, {report.unchanged:,} unchanged, "
            f"from {report.files:,} files."
        )
    _finish(settings, report, index, json)


@app.command("fetch")
def fetch(
    tmdb_key: Annotated[
        str | None,
        typer.Option("--tmdb-key", metavar="KEY", help="Key or token of The Movie Database. [env: MATINEE_TMDB_KEY]"),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="Maximum number of films.")] = None,
    index: Index = True,
    json: AsJson = False,
    tmdb_url: Annotated[str | None, typer.Option("--tmdb-url", hidden=True)] = None,
) -> None:
    """Fetch posters from The Movie Database, the most rated films first; repeat it to go on where it stopped."""
    from matinee.errors import FetchError
    from matinee.posters import tmdb

    settings = load_settings(tmdb_key=tmdb_key)
    if settings.offline:
        raise FetchError("Matinee is offline.", "Unset MATINEE_OFFLINE to fetch posters.")
    with open_engine(settings) as engine:
        store = store_of(engine)
        before = len(store.ids())
        movies = (movie for movie, _ in all_movies(engine, "ratings"))
        try:
            with progress_bar() as progress:
                report = tmdb.fetch(movies, store, settings.tmdb_key, limit=limit, url=tmdb_url, progress=progress)
        except (KeyboardInterrupt, FetchError):
            if fetched := len(store.ids()) - before:
                note(f"{fetched:,} posters were fetched and stay; repeat the command to go on.")
            raise
    if not json:
        _print_reasons("Films", report)
        have = report.had + report.fetched
        typer.echo(f"{report.fetched:,} posters fetched; {have:,} of {report.films:,} films have one.")
        note("Posters come from TMDB; Matinee uses its API but is not endorsed or certified by TMDB.")
    _finish(settings, report, index, json)


@app.command("status")
def status(json: AsJson = False) -> None:
    """How many films have a poster, how many ratings those films have, and whether they are searched."""
    from matinee.posters.store import PosterStore
    from matinee.snapshots import SnapshotRegistry

    settings = load_settings()
    with open_engine(settings) as engine:
        store = PosterStore.of(settings, engine.dataset_name)
        stored = store.ids()
        n_movies = with_poster = linked = ratings = covered = 0
        for movie, count in all_movies(engine, "ratings"):
            n_movies, ratings = n_movies + 1, ratings + count
            if movie.movie_id in stored:
                with_poster, covered = with_poster + 1, covered + count
            else:
                linked += store.shown(movie) == "link"
        space = SnapshotRegistry(settings.snapshots_dir).show(engine.snapshot_id).spaces.get("poster")
        figures = {
            "dataset": engine.dataset_name,
            "films": n_movies,
            "with_poster": with_poster,
            "linked": linked,
            "cards": n_movies - with_poster - linked,
            "ratings_covered": round(covered / ratings, 4) if ratings else 0.0,
            "without_film": len(stored) - with_poster,
            "indexed": 0 if space is None else space.count,
            "encoder": None if space is None else space.encoder,
            "snapshot": engine.snapshot_id,
            "folder": str(store.folder),
        }
    if json:
        print_json(figures)
        return
    rows = [
        ["Films", f"{n_movies:,} of {engine.dataset_name}"],
        [
            "With a poster",
            f"{with_poster:,} ({_share(with_poster, n_movies)}), of {_share(covered, ratings)} of the ratings",
        ],
        ["Linked to", f"{linked:,}"],
        ["Shown by a drawn card", f"{figures['cards']:,}"],
        ["Searched by poster", f"{figures['indexed']:,}" + (f", by {space.encoder}" if space is not None else "")],
        ["Posters of no film", f"{figures['without_film']:,}"],
        ["Folder", str(store.folder)],
    ]
    table("", ["Posters", ""], rows)
    if with_poster and space is None:
        note("No poster is searched yet: `matinee posters add FOLDER` or `matinee train` does that.")


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "–"


def _finish(settings: Settings, report: Any, index: bool, json: bool) -> None:
    """Index the posters and print the result. If indexing fails, the posters stay stored."""
    from matinee.errors import MatineeError
    from matinee.training.poster_index import index_posters

    outcome: dict[str, str | None] = {"snapshot": None}
    try:
        if index and settings.image_encoder != "off":
            with progress_bar() as progress:
                outcome["snapshot"] = index_posters(settings, progress)
    except MatineeError as error:
        outcome["not_indexed"] = str(error)
        raise
    finally:
        if json:
            print_json(plain(report) | outcome)
    if not json and outcome["snapshot"]:
        note(f"Films are found by their posters in snapshot {outcome['snapshot']}.")


def _print_reasons(what: str, report: Any) -> None:
    rows = [
        [f"{count:,}", why, ", ".join(report.examples.get(name, ()))]
        for name, why in _WHY.items()
        if (count := getattr(report, name, 0))
    ]
    if rows:
        table("", [what, "Why", "For instance"], rows, right=(what,))


@app.command("search")
def search(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A JPEG, PNG, WebP or AVIF picture.")],
    k: Annotated[int, typer.Option("--number", "-n", min=1, help="Number of films.")] = 5,
    filter: Annotated[str, typer.Option("--filter", "-f", help="Only films that match this filter.")] = "",
    index: Annotated[
        Literal["exact", "faiss", "annoy", "hnsw"], typer.Option("--index", help="Which index searches.")
    ] = "exact",
    json: AsJson = False,
) -> None:
    """The films whose posters are most like a picture."""

    with open_engine() as engine:
        hits = engine.search_posters(file, k=k, filter=filter, index=index)
        if json:
            print_json({"items": hits})
            return
        rows = [
            [str(hit.item.rank), with_year(hit.item.title, hit.item.year), hit.item.movie_id, number(hit.similarity, 3)]
            for hit in hits
        ]
        table("", ["#", "Film", "Id", "Similarity"], rows, right=("#", "Similarity"))
