"""Training on Spark: the data are read and summed there, and the snapshot is written as local training writes it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matinee._util.progress import Progress, silent
from matinee.data.load import assemble, credits_or_note, locate
from matinee.data.readers.columns import ColumnMapping
from matinee.data.readers.memory import reading_within
from matinee.settings import Settings
from matinee.spark.fitting import HERE, SparkFit
from matinee.spark.session import spark_session
from matinee.spark.table import SparkRatings, open_source
from matinee.training.pipeline import source_identity, train_dataset, with_notes


def train(
    settings: Settings,
    source: str | None = None,
    *,
    master: str,
    spark_settings: Mapping[str, str] | None = None,
    promote: bool = True,
    include_store: bool = True,
    measure: bool = False,
    mapping: ColumnMapping | None = None,
    progress: Progress | None = None,
    **meaning: Any,
) -> str:
    """Fit all models on a data set with Spark and write a snapshot; returns its id.

    Args:
        source: as for local training, or an address that Spark reads: `s3a://bucket/ml`, `hdfs://…`; None:
            `settings.data`.
        master: of Spark: `local[2]`, `spark://HOST:7077`, `k8s://…`, `yarn`.
        spark_settings: of Spark.
        promote, include_store, mapping, progress: see `training.pipeline.train`.
        measure: put metrics on held-out ratings into the manifest. The driver fits and measures for that, up to `HERE`
            ratings; above that a note of the report says that nothing was measured.
        meaning: `scale`, `values` and `unrated`, see `data.load.assemble`.

    Raises:
        DataError: unreadable data, or none.
        InvalidInputError: not an address of a master.
        MissingExtraError: pyspark is not installed.
        SparkFailedError: no Java, no answer, or a job that was given up.
        MemoryLimitError: no model fits into the driver's `settings.memory_limit`.
    """
    on_progress = progress or silent
    source = settings.data if source is None else source
    notes: tuple[str, ...] = ()
    if "://" in source:
        name, url, identity = source.rstrip("/").rpartition("/")[2] or "data", source, source
    else:
        name, path, notes = locate(source, settings, progress)
        url, identity = str(path.resolve()), source_identity(source)
    on_progress("Starting Spark", 0.0)
    with spark_session(master, spark_settings) as spark, tempfile.TemporaryDirectory(prefix="matinee-") as work:
        on_progress(f"Reading {name}", 0.0)
        with reading_within(settings.memory_limit):
            found = open_source(spark, url, Path(work), mapping)
        on_progress(f"Cleaning {name}", 0.3)
        wikidata, told = credits_or_note(settings, progress)
        notes = (*notes, *told)
        dataset = assemble(name, found.raw, wikidata=wikidata, notes=notes, table=found.table, **meaning)
        on_progress(f"Cleaning {name}", 1.0)
        if measure and len(dataset.ratings) > HERE:
            measure, note = False, f"Nothing was measured: with Spark that is done up to {HERE:,} ratings."
            dataset = with_notes(dataset, [note])
        blocks = found.table.blocks if isinstance(found.table, SparkRatings) else None
        return train_dataset(
            settings,
            dataset,
            source=identity,
            promote=promote,
            include_store=include_store,
            measure=measure,
            progress=progress,
            fit=SparkFit(spark, settings.memory_limit, dataset, blocks),
        )
