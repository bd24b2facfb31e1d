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
