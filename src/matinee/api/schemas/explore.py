"""Answers of the routes for exploring the data, for the OpenAPI document; most are the engine's own types."""

from __future__ import annotations

from pydantic import BaseModel, Field

from matinee.api.schemas.examples import SNAPSHOT, example, with_example
from matinee.engine import browse, data_statistics, types
from matinee.engine.data_statistics import StarCount


class UserRowOut(BaseModel):
    """A user who has rated films."""

    user_id: str
    ratings: int = Field(description="Number of ratings.")


class UserPageOut(BaseModel, json_schema_extra=example('{"items": [{"user_id": "42", "ratings": 440}], "total": 610}')):
    """Users by id."""

    items: list[UserRowOut]
    total: int = Field(description="Total number of matching users.")


TitleTable = with_example(
    types.TitleTable,
    f'{{"movie_ids": ["1", "2"], "titles": ["Toy Story", "Jumanji"], "years": [1995, null], {SNAPSHOT}}}',
)


class MapOut(
    BaseModel,
    json_schema_extra=example(
        f"""{{"space": "content", "method": "neighbors", "movie_ids": ["1"], "titles": ["Toy Story"], "years": [1995],
        "genres": [["Animation", "Comedy"]], "x": [0.31], "y": [-0.12], {SNAPSHOT}}}"""
    ),
):
    """All films of a space as points: columns of equal length."""

    space: str
    method: str = Field(description="`neighbors`, `pca` or `umap`.")
    movie_ids: list[str]
    titles: list[str]
    years: list[int | None]
    genres: list[list[str]]
    x: list[float] = Field(description="−1..1.")
    y: list[float] = Field(description="−1..1.")
    snapshot: str


class FilmRatingsOut(
    BaseModel,
    json_schema_extra=example(
        """{"movie_id": "318", "count": 3, "mean": 4.667,
        "histogram": [{"stars": 4.0, "count": 1}, {"stars": 5.0, "count": 2}]}"""
    ),
):
    """How a film was rated."""

    movie_id: str
    count: int
    mean: float | None = Field(description="Mean stars; null where nobody has rated the film.")
    histogram: list[StarCount] = Field(description="Every step of the data's scale, zeros included.")


DataReport = with_example(
    browse.DataReport,
    f"""{{
      {SNAPSHOT}, "dataset": "ml-latest-small", "fingerprint": "a38a2ae375ed", "scale": [0.5, 5.0],
      "n_users": 610, "n_items": 9742, "n_ratings": 100836, "notes": [],
      "joins": [{{"name": "tags", "share": 0.161}}],
      "tables": [{{
        "name": "ratings", "rows_in": 100837, "rows_out": 100836,
        "dropped": [{{"reason": "rating off the scale", "count": 1}}], "changed": [], "noticed": []
      }}]
    }}""",
)
Statistics = with_example(
    data_statistics.Statistics,
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
    }""",
)
