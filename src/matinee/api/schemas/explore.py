"""Answers of the routes for exploring the data, for the OpenAPI document."""

from __future__ import annotations

from pydantic import BaseModel, Field

from matinee.api.schemas.examples import SNAPSHOT, example, with_example
from matinee.engine.types import TitleTable


class UserRowOut(BaseModel):
    """A user who has rated films."""

    user_id: str
    ratings: int = Field(description="Number of ratings.")


class UserPageOut(BaseModel, json_schema_extra=example('{"items": [{"user_id": "42", "ratings": 440}], "total": 610}')):
    """Users by id."""

    items: list[UserRowOut]
    total: int = Field(description="Users that match in all.")


TitleTableOut = with_example(
    TitleTable,
    f'{{"movie_ids": ["1", "2"], "titles": ["Toy Story", "Jumanji"], "years": [1995, null], {SNAPSHOT}}}',
)


class MapOut(
    BaseModel,
    json_schema_extra=example(
        f"""{{"space": "content", "method": "pca", "movie_ids": ["1"], "titles": ["Toy Story"], "years": [1995],
        "x": [0.31], "y": [-0.12], {SNAPSHOT}}}"""
    ),
):
    """All films of a space as points: four columns of one length."""

    space: str
    method: str = Field(description="`pca` or `umap`.")
    movie_ids: list[str]
    titles: list[str]
    years: list[int | None]
    x: list[float] = Field(description="−1..1.")
    y: list[float] = Field(description="−1..1.")
    snapshot: str


class StarsOut(BaseModel):
    """How often a number of stars was given."""

    stars: float
    count: int


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
    histogram: list[StarsOut] = Field(description="Every step of the data's scale, zeros included.")


class ReasonCountOut(BaseModel):
    """How many rows there were of one kind."""

    reason: str
    count: int


class TableOut(BaseModel):
    """What became of one table: `rows_in` − `rows_out` is the sum of `dropped`."""

    name: str
    rows_in: int
    rows_out: int
    dropped: list[ReasonCountOut]
    changed: list[ReasonCountOut]
    noticed: list[ReasonCountOut] = Field(description="Kept as they are, but worth knowing.")


class JoinOut(BaseModel):
    """Share of the films, 0..1, for which a source had something."""

    name: str
    share: float


class ReportOut(
    BaseModel,
    json_schema_extra=example(
        f"""{{
          {SNAPSHOT}, "dataset": "ml-latest-small", "fingerprint": "a38a2ae375ed", "scale": [0.5, 5.0],
          "n_users": 610, "n_items": 9742, "n_ratings": 100836, "notes": [],
          "joins": [{{"name": "tags", "share": 0.161}}],
          "tables": [{{
            "name": "ratings", "rows_in": 100837, "rows_out": 100836,
            "dropped": [{{"reason": "rating off the scale", "count": 1}}], "changed": [], "noticed": []
          }}]
        }}"""
    ),
):
    """How the data of the snapshot were cleaned."""

    snapshot: str
    dataset: str
    fingerprint: str = Field(description="sha256 of films and ratings.")
    scale: list[float] = Field(description="Lowest and highest stars.")
    n_users: int
    n_items: int
    n_ratings: int
    notes: list[str]
    joins: list[JoinOut]
    tables: list[TableOut]
