"""What a training learns from the store, and how a server knows later which of it the snapshot holds."""

from __future__ import annotations

from dataclasses import dataclass, replace

import polars as pl

from matinee.data.catalog import Catalog
from matinee.data.dataset import SEEN, CleaningReport, Dataset, TableReport
from matinee.data.ratings import Ratings
from matinee.errors import StoreError
from matinee.settings import Settings
from matinee.stores import Mark, Store, open_store

MAX_LEFT_OUT = 10_000
"""Movies that a snapshot notes as left out, at most."""
_SCHEMA = {"user_id": pl.String, "movie_id": pl.String, "rating": pl.Float32, "timestamp": pl.Int64}


@dataclass(frozen=True)
class Learned:
    """What the manifest says of the store.

    Attributes:
        seq: the store's sequence number when it was read.
        mark: token of that moment (`Store.mark`), where the ratings of the data set are exactly those that a server
            would have made of snapshot and store then; "" where they may not be.
        left_out: ids of movies that the data set lacks, though the store has ratings of them.
    """

    seq: int
    mark: str = ""
    left_out: tuple[str, ...] = ()


NOTHING = Learned(0)
"""Of a training without a store: whatever it holds came after."""


def with_stored(dataset: Dataset, settings: Settings) -> tuple[Dataset, Learned]:
    """The data set with the changes in its store, if there is one, and what the snapshot is to know of it."""
    if not settings.store_url and not settings.store_path(dataset.name).exists():
        return dataset, NOTHING
    store = open_store(settings, dataset.name)
    try:
        try:
            mark = store.mark()
        except StoreError:  # it cannot be written: servers read all of it at their start
            mark = Mark("", store.seq())
        # What is written while it is read is in the data and in the log after the mark. To apply it again changes
        # nothing.
        merged, left_out = with_store(dataset, store)
    finally:
        store.close()
    if left_out is None:
        return merged, Learned(mark.seq)
    return merged, Learned(mark.seq, mark.token, left_out)


def with_store(dataset: Dataset, store: Store) -> tuple[Dataset, tuple[str, ...] | None]:
    """The data set with the changes in a store: ratings, deleted ratings, erased users, movies.

    Returns:
        the data set, and the movies that are left out although the store has ratings of them; None where the ratings
        of the data set may not be exactly those that a server would make of data and store.
    """
    catalog, report = dataset.catalog, dataset.report
    stored_movies = store.movies()
    if stored_movies:
        removed = [movie_id for movie_id, movie in stored_movies if movie is None]
        changed = catalog.with_changes([movie for _, movie in stored_movies if movie is not None], removed)
        catalog = Catalog(changed.frame.filter(pl.Series(changed.active)))
    overlay = _ratings(store)
    erased = store.erased_users()
    if not len(overlay) and not erased and not stored_movies:
        return dataset, ()
    base = dataset.ratings.to_frame(dataset.catalog).cast({"timestamp": pl.Int64})
    of_erased = base["user_id"].is_in(list(erased))
    unchanged = base.filter(~of_erased).join(overlay, on=["user_id", "movie_id"], how="anti")
    there = overlay.filter(pl.col("rating").is_not_null())
    merged = pl.concat([unchanged.select(list(_SCHEMA)), there])
    known = pl.col("movie_id").is_in(catalog.frame["movie_id"].to_list())
    final = merged.filter(known)
    left_out = _left_out(dataset, catalog, there, there.filter(~known)["movie_id"].unique())
    if dataset.scale == SEEN:  # the store may have stars from before the data lost theirs
        final = final.with_columns(rating=pl.lit(SEEN[1], dtype=pl.Float32))
    table = TableReport(
        rows_in=base.height + overlay.height,
        rows_out=final.height,
        dropped={
            "of erased users": int(of_erased.sum()),
            "replaced or taken back": base.height
            - int(of_erased.sum())
            - unchanged.height
            + int(overlay["rating"].null_count()),
            "of removed films": merged.height - final.height,
        },
    )
    tables = {**report.tables, "store": table}
    merged_dataset = replace(
        dataset,
        catalog=catalog,
        ratings=Ratings.from_frame(final, catalog),
        report=CleaningReport(source=report.source, tables=tables, joins=report.joins, notes=report.notes),
    )
    return merged_dataset, left_out


def _ratings(store: Store) -> pl.DataFrame:
    """All ratings of the store, deleted ones too; batches become columns at once, which take a tenth of the memory."""
    parts = [
        pl.DataFrame(
            {
                "user_id": [rating.user_id for rating in batch],
                "movie_id": [rating.movie_id for rating in batch],
                "rating": [rating.rating for rating in batch],
                "timestamp": [rating.timestamp for rating in batch],
            },
            schema=_SCHEMA,
        )
        for batch in store.ratings()
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=_SCHEMA)


def _left_out(dataset: Dataset, catalog: Catalog, there: pl.DataFrame, lacking: pl.Series) -> tuple[str, ...] | None:
    """See `with_store`; `there`: the store's ratings, `lacking`: movies of them that the catalog lacks."""
    if len(lacking) > MAX_LEFT_OUT:
        return None
    if dataset.scale == SEEN and bool((there["rating"] != SEEN[1]).any()):
        return None  # a server counts the stars that are stored
    # A server finds ids in other forms than NFC by their NFC, which here are ids of others.
    for ids in (pl.Series(dataset.ratings.user_ids.to_list(), dtype=pl.String), catalog.frame["movie_id"]):
        if bool((ids != ids.str.normalize("NFC")).any()):
            return None
    return tuple(sorted(lacking.to_list()))
