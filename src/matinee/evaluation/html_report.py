"""The report of an evaluation as one HTML page: tables and charts, nothing from elsewhere and no scripts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from matinee._util.notebook import html_table
from matinee.evaluation.report import EvaluationReport, ModelResult
from matinee.evaluation.svg_charts import Value, by_group, diagonal, scatter

_SHOWN = 6
"""Models in a chart of groups, the best by the first figure."""
_DIMENSIONS = {
    "history": "Users by the size of their history",
    "popularity": "Movies by popularity: tenths of the movies, 1 least and 10 most rated",
    "gender": "Users by gender",
    "age": "Users by age",
}
_STYLE = """
:root{color-scheme:light dark;--line:#8884}
body{font:15px/1.5 system-ui,sans-serif;max-width:1100px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2.2rem}
.wide{overflow-x:auto}.charts{display:flex;flex-wrap:wrap;gap:1rem}
td:first-child,th:first-child{position:sticky;left:0;background:Canvas}details{margin:.8rem 0}summary{cursor:pointer}
table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:13px}
th,td{padding:.3rem .6rem;border-bottom:1px solid var(--line);white-space:nowrap;text-align:left}
caption{text-align:left;padding:.4rem 0}ul{padding-left:1.2rem}
svg{max-width:100%;height:auto}
pre{white-space:pre-wrap;font-size:12px}
"""


def html_report(report: EvaluationReport, *, run: str = "", trials: Sequence[Mapping[str, Any]] = ()) -> str:
    """The page.

    Args:
        run: id of the stored run.
        trials: what a search tried (`tune.Trial` as JSON).
    """
    title = f"{report.protocol} on {report.dataset}"
    facts = (
        f"{report.description} ({report.part}). {report.users:,} users, {report.films:,} films, {report.ratings:,} "
        f"ratings; splits: {', '.join(report.splits)}; data {report.fingerprint[:12]}; {report.created}"
        + (f"; run {run}" if run else "")
    )
    columns, rows = report.table()
    parts = [
        f"<h1>{escape(title)}</h1><p>{escape(facts)}</p>",
        _wide(html_table(columns, rows, right=columns[1:])),
        _list([*report.reading, *report.notes]),
        _trials(trials),
        _costs(report),
        _comparisons(report),
        _calibration(report),
        *_groups(report),
        _repeat(report),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><title>{escape(title)}</title>'
        f"<style>{_STYLE}</style></head><body>\n{body}\n</body></html>\n"
    )


def charts(report: EvaluationReport) -> dict[str, str]:
    """The charts alone, name → SVG."""
    costs = _cost_charts(report)
    found = {"cost" if place == 0 else f"cost-{metric}": svg for place, (metric, svg) in enumerate(costs.items())}
    found |= {"calibration": _calibration_chart(report)}
    found |= {f"groups-{dimension}-{metric.partition('@')[0]}": svg for dimension, metric, svg in _group_charts(report)}
    return {name: svg for name, svg in found.items() if svg}


def _trials(trials: Sequence[Mapping[str, Any]]) -> str:
    if not trials:
        return ""
    names = list(dict.fromkeys(name for trial in trials for name in trial["settings"]))
    rows = [
        [
            str(trial["number"]),
            *(_setting(trial["settings"].get(name)) for name in names),
            trial["problem"] or trial["state"],
            "" if trial["value"] is None else f"{trial['value']:.4f}",
            f"{trial['seconds']:.1f}",
        ]
        for trial in trials
    ]
    table = html_table(["trial", *names, "", "value", "s"], rows, right=("trial", *names, "value", "s"))
    text = "On validation data; the first has the settings as they were."
    return f"<h2>What was tried</h2><p>{text}</p>{_wide(table)}"


def _setting(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _wide(inner: str) -> str:
    return f'<div class="wide">{inner}</div>'


def _list(lines: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>" if lines else ""


def _value(result: ModelResult, metric: str) -> Value:
    return result.metrics[metric], result.intervals.get(metric)


def _cost_charts(report: EvaluationReport) -> dict[str, str]:
    """Of the first figure, and of predicted stars where several models have both; figure → SVG."""
    found: dict[str, str] = {}
    for metric in dict.fromkeys((report.metric_names[0], "rmse")):
        points = {
            entry.name: (max(entry.fit_seconds + entry.score_seconds, 1e-3), _value(entry, metric))
            for entry in report.ordered
            if metric in entry.metrics
        }
        if len(points) > (1 if found else 0):
            title = f"{metric} against cost"
            found[metric] = scatter(points, "seconds to fit and to answer all users", metric, title)
    return found


def _costs(report: EvaluationReport) -> str:
    return f"<h2>Accuracy against cost</h2>{_beside(list(_cost_charts(report).values()))}"


def _beside(svgs: Sequence[str]) -> str:
    """Charts in a row, as many as there is room for."""
    return f'<div class="charts">{"".join(_wide(svg) for svg in svgs)}</div>'


def _folded(summary: str, inner: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def _comparisons(report: EvaluationReport) -> str:
    columns, rows = report.comparison_table()
    if not rows:
        return ""
    note = (
        "Wilcoxon's signed-rank test over users (Pratt's treatment of ties), corrected by Holm for all models compared "
        "by one figure. Stars are tested by each user's mean squared or absolute error. The interval is that of the "
        "difference, from the same resamples of users."
    )
    right = columns[2:3] + columns[4:]
    main = (report.metric_names[0], "rmse")
    shown = [row for row in rows if row[1] in main]
    others = [row for row in rows if row[1] not in main]
    parts = [_wide(html_table(columns, shown, right=right))] if shown else []
    if others:
        names = ", ".join(dict.fromkeys(row[1] for row in others))
        parts.append(_folded(f"By other figures: {names}", _wide(html_table(columns, others, right=right))))
    return f"<h2>Paired comparisons</h2><p>{note}</p>{''.join(parts)}"


def _calibration_chart(report: EvaluationReport) -> str:
    series = {
        entry.name: [(part.predicted, part.actual) for part in entry.calibration.bins]
        for entry in report.ordered
        if entry.calibration is not None and entry.calibration.bins
    }
    return diagonal(series, "predicted stars", "actual stars", "Calibration of stars") if series else ""


def _calibration(report: EvaluationReport) -> str:
    chart = _calibration_chart(report)
    if not chart:
        return ""
    rows = []
    for entry in report.ordered:
        if entry.calibration is not None:
            found = entry.calibration
            total = sum(part.ratings for part in found.bins)
            rows.append([entry.name, "all", f"{total:,}", "", "", f"{found.slope:.3f}", f"{found.intercept:.3f}"])
            for number, part in enumerate(found.bins, start=1):
                numbers = (part.predicted, part.actual, part.slope, part.intercept)
                rows.append([entry.name, str(number), f"{part.ratings:,}", *(f"{value:.3f}" for value in numbers)])
    columns = ["model", "tenth", "ratings", "predicted", "actual", "slope", "intercept"]
    text = "Tenths of the predictions, from the lowest. On the line, films predicted at x stars get x stars."
    table = _folded("The tenths as numbers", _wide(html_table(columns, rows, right=columns[2:])))
    return f"<h2>Calibration of stars</h2><p>{text}</p>{chart}{table}"


def _group_charts(report: EvaluationReport) -> list[tuple[str, str, str]]:
    """Dimension, metric and chart of each kind of group."""
    kinds = dict.fromkeys((entry.dimension, entry.metric) for result in report.results for entry in result.groups)
    found = []
    for dimension, metric in sorted(kinds, key=lambda kind: list(_DIMENSIONS).index(kind[0])):
        having = [
            (result.name, {e.group: e for e in result.groups if (e.dimension, e.metric) == (dimension, metric)})
            for result in report.ordered
        ]
        having = [(name, entries) for name, entries in having if entries][:_SHOWN]
        names = list(dict.fromkeys(group for _, entries in having for group in entries))
        series: dict[str, list[Value | None]] = {
            name: [(entries[g].value, entries[g].interval) if g in entries else None for g in names]
            for name, entries in having
        }
        users = {group: max(entries[group].users for _, entries in having if group in entries) for group in names}
        labels = [f"{group} ({users[group]:,})" for group in names]
        title = f"{metric}: {_DIMENSIONS[dimension]}"
        found.append((dimension, metric, by_group(labels, series, metric, title)))
    return found


def _groups(report: EvaluationReport) -> list[str]:
    by_dimension: dict[str, list[str]] = {}
    for dimension, _, chart in _group_charts(report):
        by_dimension.setdefault(dimension, []).append(chart)
    parts = []
    for dimension, svgs in by_dimension.items():
        notes = [note for note in report.group_notes if note.lower().startswith(dimension)]
        text = " ".join(["Users who count are in brackets.", *notes])
        parts.append(f"<h2>{escape(_DIMENSIONS[dimension])}</h2><p>{escape(text)}</p>{_beside(svgs)}")
    return parts


def _repeat(report: EvaluationReport) -> str:
    configurations = {entry.name: {"kind": entry.kind, **entry.config} for entry in report.results}
    environment = report.environment.model_dump(mode="json") if report.environment else {"versions": report.versions}
    lines = json.dumps({"models": configurations, "environment": environment}, ensure_ascii=False, indent=1)
    return _folded("Configuration and environment", f"<pre>{escape(lines)}</pre>")
