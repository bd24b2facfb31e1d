"""The classic title search (docs/classic.md, B3): a title in, similar titles out, by one of four indexes."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from matinee.api.errors import problems
from matinee.api.render import reply
from matinee.api.schemas.answers import RankedFilmOut
from matinee.api.schemas.examples import example
from matinee.api.schemas.requests import Body
from matinee.api.service import EngineDep
from matinee.classic import recommend_similar
from matinee.data.catalog import Movie
from matinee.engine.types import PlotMethod

router = APIRouter(tags=["classic"])


class TitleQuery(
    Body,
    json_schema_extra=example('{"model": "faiss", "n_recommendations": 5, "movie_title": "starr warrs"}'),
):
    """What the classic client sends."""

    model: Annotated[
        str,
        Field(
            min_length=1,
            max_length=40,
            description="The index, in any case: `faiss`, `annoy`, `exact` or `hnsw`. All find the same films.",
        ),
    ] = "faiss"
    n_recommendations: Annotated[int, Field(strict=True, ge=1, le=1000)] = 5
    movie_title: Annotated[str, Field(min_length=1, max_length=500, description="With or without the year.")]
    space: Literal["content", "taste", "plot"] | None = Field(
        None,
        description="What makes films alike: what they are about (`content`, the default), who liked them (`taste`), "
        "or their plots alone (`plot`).",
    )
    method: PlotMethod | None = Field(
        None, description="Of plots: `tfidf` (the words that they share) or `embedding` (the vectors of the texts)."
    )


class MatchOut(BaseModel):
    """The film that the title was taken for."""

    movie_id: str
    title: str
    year: int | None
    score: float = Field(description="How similar the titles are, 0..100; 100: an exact title or id.")


class TitleItemOut(RankedFilmOut):
    """A similar film."""

    similarity: float = Field(description="Cosine, −1..1.")
    reason: str | None = Field(None, description="Of plots, method `tfidf`: the words that both have.")
    imdb_id: str | None
    imdb_url: str | None


class TitlesOut(
    BaseModel,
    json_schema_extra=example(
        """{
          "model": "faiss", "space": "content", "index": "faiss", "movie_title": "starr warrs",
          "matched": {
            "movie_id": "260", "title": "Star Wars: Episode IV - A New Hope", "year": 1977, "score": 90.0
          },
          "recommendations": [{
            "movie_id": "1196", "title": "Star Wars: Episode V - The Empire Strikes Back", "year": 1980,
            "genres": ["Action", "Sci-Fi"], "rank": 1, "similarity": 0.93, "imdb_id": "tt0080684",
            "imdb_url": "https://www.imdb.com/title/tt0080684"
          }]
        }"""
    ),
):
    """Similar films, most similar first."""

    model: str
    space: str = Field(description="`content`, `taste` or `plot`.")
    index: str = Field(
        description="The index that answered: `exact` where there is none of the kind asked for, or it misses films."
    )
    movie_title: str
    matched: MatchOut
    recommendations: list[TitleItemOut]
    fallback: str | None = Field(None, description='"content": nobody has rated the film, or it has no plot.')
    method: PlotMethod | None = Field(None, description="Of plots: what compared them.")


@router.post(
    "/recommendation",
    response_model=TitlesOut,
    responses=problems(400, 404, 413, 415, 422, 503),
    summary="Films similar to a title",
)
def classic_similar(engine: EngineDep, body: TitleQuery) -> Response:
    """Films similar to the one that a title means: by content, by who liked them, or by plot (`space`)."""
    result = recommend_similar(engine, body.model, body.n_recommendations, body.movie_title, body.space, body.method)
    record = {
        "model": result.model,
        "space": result.space,
        "index": result.index,
        "movie_title": body.movie_title,
        "matched": movie_record(result.match.movie) | {"score": round(result.match.score, 1)},
        "recommendations": [
            movie_record(movie)
            | {
                "genres": item.genres,
                "rank": item.rank,
                "similarity": round(float(item.score), 6),
                "imdb_id": movie.imdb_id,
                "imdb_url": f"https://www.imdb.com/title/{movie.imdb_id}" if movie.imdb_id else None,
            }
            | ({"reason": item.reason} if item.reason is not None else {})
            for item, movie in zip(result.items, result.movies, strict=True)
        ],
    }
    told = {"fallback": result.fallback, "method": result.method}
    return reply(record | {name: value for name, value in told.items() if value})


def movie_record(movie: Movie) -> dict[str, Any]:
    """Id, title and year of a film."""
    return {"movie_id": movie.movie_id, "title": movie.title, "year": movie.year}
