"""The command tune."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from matinee.cli.console import AsJson, load_settings, note, print_json, progress_bar
from matinee.cli.runs import print_trials
from matinee.cli.training import Data, Save, Track, keep_run, print_report
from matinee.errors import InvalidInputError


def tune(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="A model of the line-up.")],
    protocol: Annotated[str, typer.Option("--protocol", "-p", help="Whose validation parts are asked.")] = "likes",
    data: Data = None,
    trials: Annotated[int, typer.Option("--trials", "-n", min=1, help="How many settings to try.")] = 30,
    search: Annotated[
        list[str] | None,
        typer.Option("--search", "-s", help="NAME=LOW:HIGH or NAME=A,B,C (again for more); none: all with bounds."),
    ] = None,
    metric: Annotated[str | None, typer.Option("--metric", help="Figure to search by.")] = None,
    sampler: Annotated[
        Literal["optuna", "random"] | None,
        typer.Option("--sampler", help="Default: Optuna where it is installed, else random."),
    ] = None,
    save: Save = True,
    track: Track = None,
    json: AsJson = False,
) -> None:
    """Search for better settings of a model, on validation data only; the seed is that of the settings."""
    from matinee.evaluation.tune import tune as run

    settings = load_settings()
    with progress_bar() as progress:
        found = run(
            model,
            protocol=protocol,
            data=data,
            trials=trials,
            ranges=parse_ranges(search),
            metric=metric,
            sampler=sampler,
            settings=settings,
            progress=progress,
        )
    tried = [trial.model_dump(mode="json") for trial in found.trials]
    run_id = keep_run(
        "tune",
        found.evaluation,
        settings,
        save=save,
        track=track,
        baseline=model,
        search=found.search,
        trials=tuple(tried),
    )
    if json:
        print_json(
            {
                "run": run_id,
                "model": model,
                "metric": found.metric,
                "best": found.best,
                "config": found.config,
                "trials": tried,
                "report": found.evaluation.report,
            }
        )
        return
    print_trials(sorted(tried, key=lambda trial: trial["number"] != found.best.number))
    print_report(found.evaluation.report)
    shown = ", ".join(f"{name}={value!r}" for name, value in found.best.settings.items())
    typer.echo(f"Best by {found.metric} on validation: {shown}")
    note("It was chosen on these very ratings, so that its figures here flatter it; test parts were not looked at.")


def parse_ranges(pairs: list[str] | None) -> dict[str, str]:
    """`["regularization=10:1000"]` → `{"regularization": "10:1000"}`.

    Raises:
        InvalidInputError: a pair is not NAME=RANGE.
    """
    ranges = {}
    for pair in pairs or ():
        name, equals, text = pair.partition("=")
        if not (name.strip() and equals and text.strip()):
            raise InvalidInputError(f"--search {pair!r} is not NAME=RANGE.", "Write NAME=LOW:HIGH or NAME=A,B,C.")
        ranges[name.strip()] = text.strip()
    return ranges
