"""Commands for experiments: start, list, show, stop; and `matinee evaluate --logged`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from matinee.cli.console import AsJson, load_settings, note, number, open_engine, print_json, table
from matinee.errors import InvalidInputError

if TYPE_CHECKING:
    from matinee.experiments.definition import ExperimentFile

app = typer.Typer(help="Experiments on users: start, list, show, stop.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="NAME", help="Of the experiment.")]
_ARM_NUMBERS = ("share", "diversity", "adventurous")


def _file() -> ExperimentFile:
    from matinee.experiments.definition import ExperimentFile

    return ExperimentFile(load_settings().data_dir)


@app.command()
def start(
    name: Name,
    arm: Annotated[
        list[str],
        typer.Option(
            "--arm",
            help="NAME:share=0.5,model=ease; also against=MODEL (interleaved with it), diversity=, adventurous=. "
            "The first is what the others are compared with.",
        ),
    ],
    exploration: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the places drawn at random, for `evaluate --logged`.")
    ] = 0.0,
    window: Annotated[float, typer.Option(metavar="DAYS", help="Days after a list in which use counts.")] = 7.0,
    effect: Annotated[
        float, typer.Option(help="About the difference that is looked for, in films a user; set before the data.")
    ] = 0.1,
    json: AsJson = False,
) -> None:
    """Start an experiment: running services divide their users from the next second on. One runs at a time."""
    from matinee.experiments.definition import plan_of

    plan = plan_of(
        {
            "name": name,
            "arms": [_arm(text) for text in arm],
            "exploration": exploration,
            "window_days": window,
            "effect": effect,
        }
    )
    models = {model for one in plan.arms for model in one.models}
    if models:
        with open_engine() as engine:
            for model in sorted(models):
                engine.request_view().model(model)
    started = _file().start(plan)
    if json:
        print_json(started)
    else:
        typer.echo(f"Started {started.name} with {len(started.arms)} arms. `matinee experiment stop {name}` ends it.")


@app.command("list")
def list_(json: AsJson = False) -> None:
    """All experiments, the newest first."""
    found = list(_file().all().values())[::-1]
    if json:
        print_json({"items": found})
        return
    rows = [
        [
            one.name,
            ", ".join(f"{arm.name} {arm.share:.0%}" for arm in one.arms),
            f"{one.exploration:.0%}",
            f"{one.started:%Y-%m-%d %H:%M}",
            "runs" if one.stopped is None else f"stopped {one.stopped:%Y-%m-%d %H:%M}",
        ]
        for one in found
    ]
    if rows:
        table("", ["Name", "Arms", "Exploration", "Started (UTC)", "State"], rows, whole=("Name",))
    else:
        note("There is no experiment; `matinee experiment start` makes one.")


@app.command()
def show(name: Name, json: AsJson = False) -> None:
    """Users and outcomes of each arm, its difference from the first one, and what interleaving preferred."""
    from matinee.engine.experiment_results import results

    experiment = _file().get(name)
    with open_engine() as engine:
        found = results(engine.request_view(), experiment)
    if json:
        print_json(found)
        return
    differences = {one.arm: one for one in found.differences}
    rows = []
    for arm in found.arms:
        other = differences.get(arm.arm)
        interval = other is not None and other.low is not None
        rows.append(
            [
                arm.arm,
                f"{arm.users:,}",
                f"{arm.lists:,}",
                f"{arm.outcome:,}",
                number(arm.mean, 4),
                number(other.difference, 4) if other else "",
                f"{number(other.low, 4)} to {number(other.high, 4)}" if other and interval else "",
                number(other.p_always, 4) if other else "",
                number(other.p_fixed, 4) if other else "",
            ]
        )
    columns = ["Arm", "Users", "Lists", "Outcome", "Mean", "Difference", "95 %, at any time", "p, any time", "p, once"]
    table(f"{name}: films taken up within {experiment.window_days:g} days", columns, rows, right=columns[1:])
    for wins in found.interleaving:
        typer.echo(
            f"{wins.arm}: {wins.first} won {wins.first_wins:,} users, {wins.second} {wins.second_wins:,}, "
            f"{wins.ties:,} neither (sign test, read once: p {number(wins.p, 4)})."
        )
    if found.p_shares is not None and found.p_shares < 0.001:
        note(f"The users are not divided as stated (p {found.p_shares:.1g}): do not trust these figures.")


@app.command()
def stop(name: Name) -> None:
    """Stop an experiment for good; what was logged stays."""
    typer.echo(f"Stopped {_file().stop(name).name}.")


def print_logged(name: str, arm: str | None, model: str | None, exploration: float, json: bool) -> None:
    """Print what another policy would have earned, from an experiment's log."""
    from matinee.engine.logged_policies import evaluate_logged

    experiment = _file().get(name)
    with open_engine() as engine:
        found = evaluate_logged(engine.request_view(), experiment, arm, model=model, exploration=exploration)
    if json:
        print_json(found)
        return
    policy = f"{model or 'its own ranking'}, {exploration:.0%} drawn"
    rows = [["logged", number(found.logged, 4), "", f"{found.places:,}"]]
    rows += [
        [
            one.method,
            number(one.value, 4),
            f"{number(one.low, 4)} to {number(one.high, 4)}",
            f"{one.effective_size:,.0f}",
        ]
        for one in found.estimates
    ]
    columns = ["Method", "Taken films a place", "95 %", "Places"]
    table(f"{name}, arm {found.arm}, {found.users:,} users: {policy}", columns, rows, right=columns[1:])
    note("Of the choice at each place, given the places above it as they were; not of whole lists of this policy.")


def _arm(text: str) -> dict[str, object]:
    name, _, rest = text.partition(":")
    values: dict[str, object] = {"name": name}
    for part in filter(None, rest.split(",")):
        key, found, value = part.partition("=")
        if not found:
            raise InvalidInputError(f"{part!r} of --arm {text!r} is not NAME=VALUE.", "Write a:share=0.5,model=ease.")
        values[key.strip()] = _number(key, value, text) if key.strip() in _ARM_NUMBERS else value.strip()
    return values


def _number(key: str, value: str, text: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InvalidInputError(f"{key}={value!r} of --arm {text!r} is no number.", "Write it like 0.5.") from None
