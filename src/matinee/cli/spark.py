"""The command lists, and the options of commands that Spark runs."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from matinee.cli.console import AsJson, load_settings, note, print_json
from matinee.errors import InvalidInputError

DEFAULT_MASTER = "local[*]"

Master = Annotated[
    str | None,
    typer.Option("--master", help="Of Spark: local[2], spark://HOST:7077, k8s://…, yarn.", show_default="local[*]"),
]
SparkConf = Annotated[
    list[str] | None, typer.Option("--spark-conf", help="A setting of Spark, NAME=VALUE (repeat for more).")
]


def parse_conf(pairs: list[str] | None) -> dict[str, str]:
    """`["spark.executor.memory=4g"]` → a dictionary.

    Raises:
        InvalidInputError: not NAME=VALUE of a setting of Spark.
    """
    settings: dict[str, str] = {}
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name.startswith("spark."):
            raise InvalidInputError(f"--spark-conf {pair!r} is not NAME=VALUE.", "Write e.g. spark.executor.memory=4g.")
        settings[name] = value
    return settings


def lists(
    to: Annotated[str | None, typer.Option("--to", help="Folder of Parquet files, or its address.")] = None,
    elasticsearch: Annotated[
        str | None, typer.Option("--elasticsearch", help="Elasticsearch to write to as well: http://HOST:9200.")
    ] = None,
    index: Annotated[str, typer.Option("--index", help="Its index.")] = "matinee-lists",
    model: Annotated[str | None, typer.Option("--model", "-m", help="The model; default: the snapshot's.")] = None,
    n: Annotated[int, typer.Option("-n", min=1, max=1000, help="Films of a list.")] = 10,
    snapshot: Annotated[str | None, typer.Option("--snapshot", help="Default: the one in service.")] = None,
    master: Master = None,
    spark_conf: SparkConf = None,
    json: AsJson = False,
) -> None:
    """Make the lists of all users of a snapshot with Spark, to Parquet or Elasticsearch."""
    from matinee.errors import SnapshotError
    from matinee.snapshots import SnapshotRegistry
    from matinee.spark.lists import Target, lists_of, to_elasticsearch
    from matinee.spark.session import spark_session

    if to is None and elasticsearch is None:
        raise InvalidInputError("There is nowhere to write the lists to.", "Add --to FOLDER or --elasticsearch URL.")
    settings = load_settings()
    registry = SnapshotRegistry(settings.snapshots_dir)
    snapshot_id = snapshot or registry.current()
    if snapshot_id is None:
        raise SnapshotError("There is no snapshot yet.", "Train one: matinee train.")
    manifest = registry.show(snapshot_id)
    with spark_session(master or DEFAULT_MASTER, parse_conf(spark_conf)) as spark:
        made: Any = lists_of(spark, settings.snapshots_dir, snapshot_id, model=model, n=n)
        if to is not None:
            made.write.mode("overwrite").parquet(to)
            made = spark.read.parquet(to)
        if elasticsearch is not None:
            login = (settings.store_user, settings.store_password)
            to_elasticsearch(made, Target(elasticsearch, index, *login, timeout=settings.store_timeout), snapshot_id)
    places = [place for place in (to, elasticsearch and f"{elasticsearch}/{index}") if place]
    if json:
        print_json({"snapshot": snapshot_id, "model": model or manifest.default_model, "users": manifest.n_users})
        return
    typer.echo(f"Lists of {manifest.n_users:,} users by {model or manifest.default_model}: {' and '.join(places)}.")
    note(f"Of snapshot {snapshot_id}; ratings and marks that were stored since do not count.")
