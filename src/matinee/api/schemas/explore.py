"""Models of the answers of `exploring`, for the interface's description."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

SNAPSHOT = "20260101T120000Z-0123abcd"


class UserRowOut(BaseModel):
    """A user who has rated films."""

    user_id: str
    ratings: int = Field(description="Number of ratings.")


class UserPageOut(BaseModel):
    """Users by id."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"items": [{"user_id": "42", "ratings": 440}], "total": 610}]}
    )

    items: list[UserRowOut]
    total: int = Field(description="Users that match in all.")


class TitleTableOut(BaseModel):
    """Every film, as columns of one length."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "movie_ids": ["1", "2"],
                    "titles": ["Toy Story", "Jumanji"],
                    "years": [1995, None],
                    "snapshot": SNAPSHOT,
                }
            ]
        }
    )

    movie_ids: list[str]
    titles: list[str]
    years: list[int | None]
    snapshot: str


class StarsOut(BaseModel):
    """How often a number of stars was given."""

    stars: float
    count: int


class FilmRatingsOut(BaseModel):
    """How a film was rated."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "movie_id": "318",
                    "count": 3,
                    "mean": 4.667,
                    "histogram": [{"stars": 4.0, "count": 1}, {"stars": 5.0, "count": 2}],
                }
            ]
        }
    )

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


class ReportOut(BaseModel):
    """How the data of the snapshot were cleaned."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "snapshot": SNAPSHOT,
                    "dataset": "ml-latest-small",
                    "fingerprint": "a38a2ae375ed",
                    "scale": [0.5, 5.0],
                    "n_users": 610,
                    "n_items": 9742,
                    "n_ratings": 100836,
                    "notes": [],
                    "joins": [{"name": "tags", "share": 0.161}],
                    "tables": [
                        {
                            "name": "ratings",
                            "rows_in": 100837,
                            "rows_out": 100836,
                            "dropped": [{"reason": "rating off the scale", "count": 1}],
                            "changed": [],
                            "noticed": [],
                        }
                    ],
                }
            ]
        }
    )

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
