"""The answer of `GET /v1/statistics`, for the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field

from matinee.api.schemas.examples import example
from matinee.api.schemas.explore import StarsOut


class MeanOut(BaseModel):
    """Ratings and their mean."""

    ratings: int
    mean: float | None


class TotalsOut(BaseModel):
    """How many there are of everything."""

    users: int = Field(description="Users who have rated any of these films.")
    films: int
    rated_films: int
    ratings: int
    mean: float | None
    density: float = Field(description="Ratings / (users × films), 0..1.")
    first: int | None = Field(description="Time of the oldest rating, seconds since 1970 UTC; null where unknown.")
    last: int | None


class YearOut(MeanOut):
    """Ratings given in one year."""

    year: int


class MonthOut(MeanOut):
    """Ratings given in one month."""

    month: str = Field(examples=["1996-03"])


class ReleasedOut(MeanOut):
    """Films of one year."""

    year: int
    films: int


class DecadeOut(MeanOut):
    """Films of ten years."""

    decade: int
    films: int


class GroupOut(MeanOut):
    """Films that have a genre, director, country or tag; a film of several counts for each."""

    name: str
    films: int


class BinOut(BaseModel):
    """How many have `from` to `to` ratings."""

    from_: int = Field(alias="from")
    to: int
    count: int


class SpreadOut(BaseModel):
    """Ratings of a user, or of a film, among those who have any; bins grow as 1, 2, 5, 10, 20, 50 …"""

    bins: list[BinOut]
    median: float | None
    mean: float | None
    most: int


class TailOut(BaseModel):
    """Share of the films, most rated first, and the share of all ratings that they have."""

    films: float
    ratings: float


class TopFilmOut(MeanOut):
    """A film of many ratings."""

    movie_id: str
    title: str
    year: int | None


class TopUserOut(MeanOut):
    """A user of many ratings."""

    user_id: str


class StatisticsOut(
    BaseModel,
    json_schema_extra=example(
        """{
          "filter": "",
          "totals": {
            "users": 610, "films": 9742, "rated_films": 9724, "ratings": 100836, "mean": 3.5016,
            "density": 0.01696813, "first": 828124615, "last": 1537799250
          },
          "stars": [{"stars": 0.5, "count": 1370}],
          "years": [{"year": 1996, "ratings": 6040, "mean": 3.5359}],
          "months": [{"month": "1996-03", "ratings": 6040, "mean": 3.5359}],
          "released": [{"year": 1995, "films": 259, "ratings": 6040, "mean": 3.5359}],
          "decades": [{"decade": 1990, "films": 2212, "ratings": 6040, "mean": 3.5359}],
          "genres": [{"name": "Drama", "films": 4361, "ratings": 41928, "mean": 3.6562}],
          "directors": [{"name": "Steven Spielberg", "films": 4361, "ratings": 41928, "mean": 3.6562}],
          "countries": [{"name": "France", "films": 4361, "ratings": 41928, "mean": 3.6562}],
          "tags": [{"name": "atmospheric", "films": 4361, "ratings": 41928, "mean": 3.6562}],
          "per_user": {"bins": [{"from": 20, "to": 49, "count": 225}], "median": 70.5, "mean": 165.3, "most": 2698},
          "per_film": {"bins": [{"from": 20, "to": 49, "count": 225}], "median": 70.5, "mean": 165.3, "most": 2698},
          "long_tail": [{"films": 0.01, "ratings": 0.158}],
          "top_films": [{"movie_id": "356", "title": "Forrest Gump", "year": 1994, "ratings": 6040, "mean": 3.5359}],
          "top_users": [{"user_id": "414", "ratings": 6040, "mean": 3.5359}]
        }"""
    ),
):
    """Figures of the ratings of some films."""

    filter: str
    totals: TotalsOut
    stars: list[StarsOut] = Field(description="Every step of the data's scale, zeros included.")
    years: list[YearOut] = Field(description="By the time of the rating, in UTC; empty where times are unknown.")
    months: list[MonthOut] = Field(description="The same by month; empty where there are more than 600.")
    released: list[ReleasedOut] = Field(description="By the year of the film.")
    decades: list[DecadeOut]
    genres: list[GroupOut] = Field(description="Most ratings first, as directors and countries.")
    directors: list[GroupOut] = Field(description="Fifty at most, as countries, tags, films and users.")
    countries: list[GroupOut]
    tags: list[GroupOut] = Field(description="Most films first.")
    per_user: SpreadOut
    per_film: SpreadOut
    long_tail: list[TailOut] = Field(description="About a hundred points; empty where there are no ratings.")
    top_films: list[TopFilmOut] = Field(description="Most ratings first.")
    top_users: list[TopUserOut] = Field(description="Most ratings of these films first.")
