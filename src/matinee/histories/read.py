"""Reads a file of a person's history: what it holds tells its layout, the layout or the whole file its scale."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from matinee.errors import InvalidInputError
from matinee.histories.entries import History, HistoryEntry, Scale
from matinee.histories.files import MAX_ROWS, Part, open_parts
from matinee.histories.layouts import ALL, Layout
from matinee.histories.scales import check_within, scale_of, stated_scale


def read_history(name: str, data: bytes, *, layout: str | None = None, scale: str | None = None) -> History:
    """The entries of a file.

    Args:
        name: of the file; it tells a watchlist from a list.
        data: its bytes: a table, JSON, XML, or an archive of them.
        layout: one of `layouts.ALL`; None: told by what the file holds.
        scale: of its stars, see `stated_scale`; None: the layout's, else what all stars show.

    Raises:
        InvalidInputError: it cannot be read, no layout fits, or the scale cannot be told; nothing of it is given.
        TooLargeError: it would take too much memory.
    """
    if layout is not None and layout not in ALL:
        raise InvalidInputError(f"There is no layout {layout!r}.", f"Choose one of: {', '.join(ALL)}.")
    given = None if scale is None else stated_scale(scale)
    parts = open_parts(name, data)
    chosen, fitting = _fitting(parts, layout)
    skipped: Counter[str] = Counter()
    notes: list[str] = []
    entries: list[HistoryEntry] = []
    for part in sorted(fitting, key=chosen.rank):
        try:
            entries += chosen.read(part, skipped, notes)
        except ValueError as error:
            if isinstance(error, InvalidInputError):
                raise
            raise InvalidInputError(
                f"{part.name} holds a rating that is no number ({error}); nothing was stored.",
                "Correct it, or export the file again.",
            ) from error
        if len(entries) > MAX_ROWS:
            raise InvalidInputError(f"The file holds more than {MAX_ROWS:,} entries.", "Send it in parts.")
    left_out = [part.name for part in parts if part not in fitting]
    if left_out and len(parts) > 1:
        notes.append(f"Not read: {', '.join(left_out[:5])}{' …' if len(left_out) > 5 else ''}.")
    if given is None or given.low > 0:
        entries = [replace(entry, stars=None) if entry.stars == 0 else entry for entry in entries]
    if given is None:
        given = next((found for part in fitting if (found := chosen.stated(part)) is not None), None)
    return History(chosen.name, _scale(chosen, entries, given), entries, skipped, list(dict.fromkeys(notes)))


def _scale(layout: Layout, entries: Sequence[HistoryEntry], given: Scale | None) -> Scale | None:
    stars = [(entry.stars, entry.line) for entry in entries if entry.stars is not None and entry.kind == "film"]
    if not stars:
        return None
    values = [value for value, _ in stars]
    scale = given or layout.scale(values) or scale_of(values)
    check_within(stars, scale)
    return scale


def _fitting(parts: list[Part], name: str | None) -> tuple[Layout, list[Part]]:
    """The layout of some files, and those of them that have it.

    Raises:
        InvalidInputError: there is none.
    """
    problem: InvalidInputError | None = None
    fits: dict[str, list[Part]] = {}
    for part in parts:
        try:
            kind = next((one.name for one in ALL.values() if name in (None, one.name) and one.fits(part)), None)
        except InvalidInputError as error:
            problem = error
            continue
        if kind is not None:
            fits.setdefault(kind, []).append(part)
    if fits:
        # Of an archive, the site's own files; tables that any site may write count where there is nothing else.
        kind = next(one for one in ALL if one in fits)
        return ALL[kind], fits[kind]
    if problem is not None:
        raise problem
    shown = next((part for part in parts if part.columns), None)
    head = f" Its columns are: {', '.join(shown.columns[:12])}." if shown is not None else ""
    what = f"not one of {ALL[name].label}'s" if name else "of no layout that is known"
    raise InvalidInputError(
        f"This file is {what}.{head}",
        "Send an export of Letterboxd, IMDb, Trakt, MovieLens, Netflix, TMDB, Simkl, Plex, Jellyfin, Kodi or Radarr, "
        "or a table with the columns title, year and rating.",
    )
