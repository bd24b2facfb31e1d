"""Commands that query: recommend, similar, search, popular, history."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.text import Text

from matinee.cli.console import (
    AsJson,
    console,
    is_narrow,
    note,
    number,
    open_engine,
    plain,
    print_json,
    table,
)
from matinee.cli.movies import imdb_url, resolve
from matinee.data.titles import with_year
from matinee.errors import UnknownUserError

if TYPE_CHECKING:
    from collections.abc import Callable

    from matinee.engine import Answer, Engine, Item, Request

Number = Annotated[int, typer.Option("--number", "-n", min=1, help="Number of films.")]
FilterText = Annotated[
    str, typer.Option("--filter", "-f", help="Only films that match, e.g. 'genre = \"Comedy\" and year >= 1990'.")
]

Row = list[str | Text]
MAX_REASONS = 3
"""Number of reasons in a table. JSON has all."""


def title_cell(title: str, year: int | None) -> Text:
    """A title with its year, in bold."""
    return Text(with_year(title, year), style="bold")


def reason_and_shares(item: Item) -> str:
    """The reason as a sentence, and the shares of the main reasons."""
    shares = " · ".join(f"{reason.title} {reason.share:.0%}" for reason in (item.because or ())[:MAX_REASONS])
    return "\n".join(filter(None, (item.reason, shares)))


def print_answer(answer: Answer, title: str, *, explain: bool = False, shares: bool = False) -> None:
    """Print a ranked list as a table. `shares` adds percentages to the reasons."""
    columns: dict[str, Callable[[Item], str | Text]] = {
        "#": lambda item: str(item.rank),
        "Film": lambda item: title_cell(item.title, item.year),
        "Genres": lambda item: ", ".join(item.genres),
        "Stars": lambda item: number(item.stars, 1),
        "Why": reason_and_shares if shares else lambda item: item.reason or "",
    }
    if not explain:
        del columns["Why"]
    if (explain and is_narrow()) or not any(item.genres for item in answer.items):
        del columns["Genres"]
    if all(item.stars is None for item in answer.items):
        del columns["Stars"]
    rows = [[cell(item) for cell in columns.values()] for item in answer.items]
    table(title, list(columns), rows, right=("#", "Stars"))
    if rows and answer.less_of:
        console().print(Text("Less of: " + " · ".join(one.title for one in answer.less_of)))


def answer_json(answer: Answer, **more: Any) -> dict[str, Any]:
    """An answer in the format of the HTTP API."""
    internal = ("version", "volatile")
    return {key: value for key, value in {**plain(answer), **more}.items() if value is not None and key not in internal}


def recommend(
    user: Annotated[str | None, typer.Option("--user", "-u", help="Id of a user.")] = None,
    like: Annotated[list[str] | None, typer.Option("--like", "-l", help="A film liked (repeat for more).")] = None,
    n: Number = 10,
    model: Annotated[str | None, typer.Option("--model", "-m", help="Model to use.")] = None,
    filter: FilterText = "",
    exclude: Annotated[list[str] | None, typer.Option("--exclude", "-x", help="A film to exclude.")] = None,
    diversity: Annotated[float, typer.Option(min=0.0, max=1.0, help="0: best first, 1: most different.")] = 0.0,
    adventurous: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="0: well-known films, 1: the long tail.")
    ] = None,
    explain: Annotated[bool, typer.Option("--explain", "-e", help="Explain each item.")] = False,
    shares: Annotated[bool, typer.Option("--shares", help="Explain each item, with the share of each film.")] = False,
    company: Annotated[
        list[str] | None, typer.Option("--with", "-w", metavar="USER", help="Another user who watches too (repeat).")
    ] = None,
    method: Annotated[
        Literal["average", "least_misery"],
        typer.Option(help="Of several users: what they like on average, or what the least content likes."),
    ] = "average",
    json: AsJson = False,
) -> None:
    """Recommend films to a user (--user), to several (--with), or to somebody who likes some films (--like)."""
    if company and user is None:
        raise typer.BadParameter("--with names another user beside --user.")
    if company and (explain or shares):
        raise typer.BadParameter("A list for several users is not explained: leave --explain and --shares out.")
    if (user is None) == (not like):
        raise typer.BadParameter("Say for whom: --user or --like, one of the two.")
    if user is not None:
        from matinee.engine.writes import check_user_id

        check_user_id(user)
    from matinee.engine import Request

    with open_engine() as engine:
        request = Request(
            n=n,
            model=model,
            filter=filter,
            exclude=[resolve(engine, text).movie_id for text in exclude or ()],
            diversity=diversity,
            adventurous=adventurous,
            explain=explain or shares,
        )
        if user is not None and company:
            _recommend_group(engine, [user, *company], request, method, json=json)
            return
        if user is not None:
            answer, title = engine.recommend(user, request), f"For user {user}"
        else:
            liked = [resolve(engine, text) for text in like or ()]
            answer = engine.recommend_for({movie.movie_id: engine.scale[1] for movie in liked}, request)
            title = "Because you like " + ", ".join(with_year(movie.title, movie.year) for movie in liked)
        if answer.fallback == "popular":
            note("Nothing is known about this user, so these are the popular films.")
        elif answer.fallback:
            note(f"Too little is known for the model, so this answer comes from {answer.fallback}.")
        if json:
            print_json(answer_json(answer))
        else:
            print_answer(answer, title, explain=explain or shares, shares=shares)


def _recommend_group(
    engine: Engine, users: list[str], request: Request, method: Literal["average", "least_misery"], *, json: bool
) -> None:
    """Films for several users, and how well each fits each of them."""
    answer = engine.recommend_group(users, request, method=method)
    unknown = [one.user_id for one in answer.users if one.fallback == "popular"]
    if unknown:
        note(f"Nothing is known about {', '.join(unknown)}.")
    if json:
        print_json(answer)
        return
    names = [one.user_id for one in answer.users]
    rows: list[Row] = [
        [
            str(item.rank),
            title_cell(item.title, item.year),
            *("–" if one.fit is None else f"{one.fit:.1%}" for one in item.members),
        ]
        for item in answer.items
    ]
    title = f"For {', '.join(names[:-1])} and {names[-1]}: the share of films that each likes less"
    table(title, ["#", "Film", *names], rows, right=("#", *names))


def similar(
    movie: Annotated[str, typer.Argument(metavar="FILM", help="Title, title with year, or id.")],
    by: Annotated[
        Literal["blend", "taste", "content", "poster", "look", "plot"], typer.Option(help="Kind of similarity.")
    ] = "blend",
    method: Annotated[
        Literal["tfidf", "embedding"] | None,
        typer.Option(help="What compares plots: their words, or what they mean (default where there are vectors)."),
    ] = None,
    index: Annotated[
        Literal["exact", "faiss", "annoy", "hnsw"], typer.Option(help="Which index searches (others: extra `ann`).")
    ] = "exact",
    n: Number = 10,
    filter: FilterText = "",
    json: AsJson = False,
) -> None:
    """Films similar to a film."""
    with open_engine() as engine:
        match = resolve(engine, movie)
        answer = engine.similar(match.movie_id, by=by, n=n, filter=filter, index=index, method=method)
        if answer.fallback and not json:
            note(f"{match.title} is not known by {by}, so this answer comes from {answer.fallback}.")
        urls = {item.movie_id: imdb_url(engine.movie(item.movie_id)) for item in answer.items}
        if json:
            items = [{**plain(item), "imdb_url": urls[item.movie_id]} for item in answer.items]
            print_json(answer_json(answer, movie_id=match.movie_id, title=match.title, items=items))
            return
        words = answer.method == "tfidf"  # shown in place of genres
        about = ["Shared words"] if words else [] if is_narrow() else ["Genres"]
        rows: list[Row] = [
            [
                str(item.rank),
                title_cell(item.title, item.year),
                *[(item.reason or "").partition(": ")[2] if words else ", ".join(item.genres) for _ in about],
                number(item.score, 3),
                Text(url, style=f"link {url}") if (url := urls[item.movie_id]) else "–",
            ]
            for item in answer.items
        ]
        how = f" ({answer.method})" if answer.method else ""
        title = f"Similar to {with_year(match.title, match.year)}, by {by}{how}"
        columns = ["#", "Film", *about, "Score", "IMDb"]
        table(title, columns, rows, right=("#", "Score"), whole=("IMDb",))


def search(
    text: Annotated[
        list[str], typer.Argument(metavar="WORDS…", help="Words of a title (typos are tolerated) or of a description.")
    ],
    by: Annotated[Literal["both", "title", "meaning"], typer.Option(help="What to search.")] = "both",
    n: Number = 10,
    filter: FilterText = "",
    plain: Annotated[bool, typer.Option(help="Look for no people, genres, years … in the words.")] = False,
    json: AsJson = False,
) -> None:
    """Find films by title, by people, by wishes ("90s action with bruce willis") and by what they are about."""
    with open_engine() as engine:
        hits = engine.search(" ".join(text), n=n, filter=filter, by=by, plain=plain)
        if json:
            print_json({"items": list(hits), "understood": hits.understood, "suggestions": hits.suggestions})
            return
        if hits.understood:
            parts = ", ".join(part.label for part in hits.understood.parts)
            rest = f"; words: {hits.understood.text}" if hits.understood.text else ""
            typer.echo(f"Understood as {parts}{rest} (--plain searches the words as they are).")
            for note in hits.understood.notes:
                typer.echo(note)
        if hits.suggestions:
            typer.echo(f"Nothing found. Did you mean {' or '.join(movie.title for movie in hits.suggestions)}?")
            return
        rows: list[Row] = [
            [
                hit.movie.movie_id,
                title_cell(hit.movie.title, hit.movie.year),
                ", ".join(hit.movie.genres),
                number(hit.score),
                f"{hit.how}: {hit.matched_title}" if hit.matched_title else hit.how,
            ]
            for hit in hits
        ]
        table("", ["Id", "Film", "Genres", "Score", "Matched"], rows, right=("Score",))


CHARTS = {"popular": "Popular", "trending": "Trending", "top_rated": "Top rated"}
"""Titles of the charts."""


def popular(
    by: Annotated[
        Literal["popular", "trending", "top_rated"],
        typer.Option(help="By number of ratings, by recent ratings, or by IMDb's weighted score."),
    ] = "popular",
    genre: Annotated[str | None, typer.Option(help="Only films of a genre.")] = None,
    year: Annotated[int | None, typer.Option(help="Only films of a year.")] = None,
    days: Annotated[float | None, typer.Option(min=0.0, help="Only the last days of ratings.")] = None,
    n: Number = 10,
    filter: FilterText = "",
    json: AsJson = False,
) -> None:
    """The films that most people rated, that are rated most lately, or that are rated best."""
    with open_engine() as engine:
        chart = engine.popular(by=by, n=n, filter=filter, genre=genre, year=year, days=days)
        if json:
            print_json({"items": [{**plain(p.item), "ratings": p.ratings, "mean": plain(p.mean)} for p in chart]})
            return
        rows: list[Row] = [
            [
                str(p.item.rank),
                title_cell(p.item.title, p.item.year),
                ", ".join(p.item.genres),
                number(p.item.score),
                number(p.mean),
                number(p.ratings, 0),
            ]
            for p in chart
        ]
        columns = ["#", "Film", "Genres", "Score", "Mean", "Ratings"]
        table(CHARTS[by], columns, rows, right=("#", "Score", "Mean", "Ratings"))


def history(
    user: Annotated[str, typer.Argument(metavar="USER", help="Id of a user.")],
    n: Annotated[int | None, typer.Option("--number", "-n", min=1, help="Only the newest.")] = None,
    json: AsJson = False,
) -> None:
    """The ratings of a user, newest first, and how many films are marked."""
    with open_engine() as engine:
        marked = Counter(one.state for one in engine.states(user).states)
        try:
            rated = engine.history(user)[:n]
        except UnknownUserError:
            if not marked:
                raise
            rated = []
        if json:
            print_json({"user_id": user, "items": rated, **({"states": marked} if marked else {})})
            return
        rows: list[Row] = [
            [day(entry.timestamp), Text(entry.title, style="bold"), entry.movie_id, number(entry.rating, 1)]
            for entry in rated
        ]
        table(f"Ratings of user {user}", ["When", "Film", "Id", "Stars"], rows, right=("Stars",), whole=("When",))
        for state, count in marked.items():
            command = state.replace("_", "-")
            note(f"{count:,} more films are marked {command}: see `matinee {command} {user}`.")


def day(timestamp: int | None) -> str:
    """A timestamp as a date; "–" if it is unknown or out of range."""
    try:
        return "–" if timestamp is None else datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d")
    except (ValueError, OverflowError, OSError):
        return "–"
