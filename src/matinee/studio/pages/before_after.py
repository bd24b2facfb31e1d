"""The page Before and after: the lists of several profiles under two settings, with what came, went and moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from matinee.client import Call, RefusedError, calls
from matinee.studio import charts, core, grids, pickers
from matinee.studio.movie_lists import Entry, movie_list
from matinee.studio.overlap import in_words, move_in_words, moves, overlap
from matinee.studio.style import counted, plain
from matinee.studio.tables import day

BEFORE, AFTER = "before", "after"
TITLES = {BEFORE: "Before", AFTER: "After"}
MAX_PROFILES, DEFAULT_PROFILES, MAX_FAVORITES = 6, 3, 3
MIN_N, MAX_N, DEFAULT_N = 5, 50, 10
STEPS = (None, *(step / 10 for step in range(11)))
"""Positions of a slider; None: as the service is set."""
FIRST_CHANGE = 0.8
"""`adventurous` after, where the address has no setting."""
FALLBACKS = {
    "popular": "Nothing is known of this profile's taste: these are the most popular films.",
    "content": "This model knows none of this profile's films, so these are films with similar content.",
}
HELP = {
    "diversity": "How unlike one another the films of a list are: 0 by score alone, 1 as different as possible.",
    "adventurous": "How little known the films of a list are: 0 well known, 1 little known.",
}
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """What is asked for, besides whom it is for; None: as the service is set."""

    model: str
    diversity: float | None
    adventurous: float | None
    filter: str
    include_seen: bool

    def options(self) -> dict[str, Any]:
        """Options of a call for a list."""
        return {
            "model": self.model,
            "diversity": self.diversity,
            "adventurous": self.adventurous,
            "filter": self.filter or None,
            "include_seen": self.include_seen or None,
        }

    def parameters(self, side: str) -> dict[str, str | float | None]:
        """The setting as parameters of the address."""
        return {_parameter(name, side): value for name, value in self.options().items()}

    def in_words(self) -> str:
        """The setting as text."""
        parts = [self.model]
        if self.diversity is not None:
            parts.append(f"diversity {self.diversity:g}")
        if self.adventurous is not None:
            parts.append(f"adventurous {self.adventurous:g}")
        if self.filter:
            parts.append(f"only {self.filter}")
        if self.include_seen:
            parts.append("with seen films")
        return ", ".join(parts)


@dataclass(frozen=True)
class Profile:
    """Whom lists are for: a stored user, or favorites if `user_id` is None."""

    user_id: str | None
    movie_ids: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """How the page calls it."""
        return "Your favorites" if self.user_id is None else f"User {self.user_id}"

    def call(self, setting: Setting, n: int) -> Call:
        """The call for its list."""
        if self.user_id is None:
            return calls.recommendations_for(dict.fromkeys(self.movie_ids), n=n, **setting.options())
        return calls.recommendations(self.user_id, n=n, **setting.options())


@dataclass(frozen=True)
class Compared:
    """The two lists of a profile."""

    profile: Profile
    answers: tuple[Answer, Answer]

    def ids(self) -> tuple[list[str], list[str]]:
        """Movie ids before and after, best first."""
        before, after = ([item["movie_id"] for item in answer["items"]] for answer in self.answers)
        return before, after


def show() -> None:
    """Show the page. The address has its state: `user` and `film` repeated, settings as `model` and `model-after`."""
    st.title("Before and after")
    st.caption("What a setting does to the lists of several profiles: choose whom, and what is set before and after.")
    pickers.follow()
    models = pickers.models()
    if not models:
        return
    profiles, n = _profiles()
    names, default = [model["name"] for model in models], pickers.default_model(models)
    fresh = not any(pickers.param(_parameter(name, side)) for name in ("model", "adventurous") for side in TITLES)
    settings = []
    for column, side in zip(st.columns(2, gap="large"), TITLES, strict=True):
        with column, st.container(border=True):
            st.subheader(TITLES[side], anchor=False)
            settings.append(_setting(side, names, default, FIRST_CHANGE if fresh and side == AFTER else None))
    state = settings[0].parameters(BEFORE) | settings[1].parameters(AFTER)
    user_ids = [one.user_id for one in profiles if one.user_id is not None]
    movie_ids = [movie_id for one in profiles for movie_id in one.movie_ids]
    pickers.address(user=user_ids, film=movie_ids, n=n, **state)
    if not profiles:
        core.info("Choose users, or films that you like.")
        return
    compared = _ask(profiles, settings, n)
    if compared is not None:
        _summary(compared, settings)
        for number, one in enumerate(compared):
            _profile(one, number)


# --- what is chosen --------------------------------------------------------------------------------------------
def _profiles() -> tuple[list[Profile], int]:
    left, middle, right = st.columns([2, 2, 1])
    with middle:
        favorites = pickers.several_movies("Films that you like", "before-after-films", MAX_FAVORITES)
    with left:
        user_ids = pickers.users("Users", "before-after-users", MAX_PROFILES, 0 if favorites else DEFAULT_PROFILES)
    with right:
        text = pickers.param("n") or ""
        initial = int(text) if text.isdecimal() and len(text) < 4 else DEFAULT_N
        pickers.init_widget("before-after-n", min(max(initial, MIN_N), MAX_N))
        n = int(st.number_input("Films in a list", MIN_N, MAX_N, key="before-after-n"))
    own = [Profile(None, tuple(favorites))] if favorites else []
    return own + [Profile(user_id) for user_id in dict.fromkeys(user_ids)], n


def _setting(side: str, names: Sequence[str], default: str, adventurous: float | None) -> Setting:
    model = pickers.model(f"Model {side}", f"{side}-model", names, parameter=_parameter("model", side), default=default)
    left, right = st.columns(2)
    with left:
        diversity = _slider("diversity", side)
    with right:
        little_known = _slider("adventurous", side, adventurous)
    condition = pickers.filter_input(f"Filter {side}", f"{side}-filter", _parameter("filter", side))
    key = f"{side}-include-seen"
    pickers.init_widget(key, pickers.param(_parameter("include_seen", side)) == "True")
    return Setting(model, diversity, little_known, condition, st.checkbox("With films already seen", key=key))


def _slider(name: str, side: str, initial: float | None = None) -> float | None:
    text = pickers.param(_parameter(name, side))
    key = f"{side}-{name}"
    pickers.init_widget(key, next((step for step in STEPS if step is not None and f"{step:g}" == text), initial))
    value: float | None = st.select_slider(
        name.capitalize(),
        STEPS,
        format_func=lambda step: "as set" if step is None else f"{step:g}",
        help=HELP[name],
        key=key,
    )
    return value


def _parameter(name: str, side: str) -> str:
    return name if side == BEFORE else f"{name}-after"


# --- the lists -------------------------------------------------------------------------------------------------
def _ask(profiles: Sequence[Profile], settings: Sequence[Setting], n: int) -> list[Compared] | None:
    compared = []
    for profile in profiles:
        answers = []
        for setting in settings:
            try:
                answers.append(core.get(profile.call(setting, n)))
            except RefusedError as error:
                pickers.show_filter_error(setting.filter, error)
                return None
        compared.append(Compared(profile, (answers[0], answers[1])))
    return compared


def _summary(compared: Sequence[Compared], settings: Sequence[Setting]) -> None:
    st.header("What changes")
    if settings[0] == settings[1]:
        core.info("Both settings are the same. Change one of them.")
    st.markdown(plain(f"Before: {settings[0].in_words()}. After: {settings[1].in_words()}."))
    names = [one.profile.name for one in compared]
    counts = [moves(*one.ids()) for one in compared]
    figures = [overlap(*one.ids()) for one in compared]
    parts = {
        "Same place": [one.same for one in counts],
        "Moved": [one.moved for one in counts],
        "New": [one.new for one in counts],
    }
    charts.draw(
        charts.stacked(names, parts, x="Films of the list after"),
        key="before-after-overlap",
        alt="For each profile, how many films of the list after kept their place, moved, or are new",
        caption="Films of the list after: those that kept their place, moved, or were not there before.",
    )
    columns: grids.Columns = {
        "Profile": names,
        "In both": [len(one.both) for one in figures],
        "New": parts["New"],
        "Dropped": [one.dropped for one in counts],
        "Moved": parts["Moved"],
        "Jaccard": [one.jaccard for one in figures],
        "Spearman": [one.spearman for one in figures],
        "Stars before": [_mean_stars(one.answers[0]) for one in compared],
        "Stars after": [_mean_stars(one.answers[1]) for one in compared],
    }
    config = grids.numbers(("Jaccard",), 2, help="Films in both lists, divided by films in either.")
    config |= grids.numbers(("Spearman",), 2, sign=True, help="Rank correlation of the films in both lists.")
    config |= grids.numbers(("Stars before", "Stars after"), 2, help="Mean of the predicted stars of the list.")
    grids.grid(columns, key="before-after-figures", alt="What the setting changes for each profile", config=config)


def _mean_stars(answer: Answer) -> float | None:
    stars = [item["stars"] for item in answer["items"] if item.get("stars") is not None]
    return sum(stars) / len(stars) if stars else None


def _profile(compared: Compared, number: int) -> None:
    st.header(plain(compared.profile.name), anchor=False)
    before, after = compared.ids()
    if compared.profile.user_id is not None:
        _history(compared.profile.user_id, number)
    st.markdown(plain(in_words(overlap(before, after))))
    for column, title, answer in zip(st.columns(2, gap="large"), TITLES.values(), compared.answers, strict=True):
        with column:
            st.subheader(title, anchor=False)
            fallback = answer.get("fallback")
            if fallback:
                st.caption(FALLBACKS.get(fallback, "This model knows too little of this profile."))
            if not answer["items"]:
                core.info("No film passes the filter.")
            movie_list([_entry(item, before, after, title == TITLES[AFTER]) for item in answer["items"]])


def _entry(item: Answer, before: Sequence[str], after: Sequence[str], is_after: bool) -> Entry:
    stars = item.get("stars")
    note = " · ".join([*(item.get("genres") or ()), *([] if stars is None else [f"{stars:.1f} stars"])])
    change = move_in_words(item["movie_id"], before, after)
    badge = change if is_after or change == "dropped" else ""
    return Entry(item["movie_id"], item["title"], item.get("year"), note, badge)


def _history(user_id: str, number: int) -> None:
    rated = pickers.history(user_id)
    if not rated:
        pickers.show_unknown_user(user_id)
        return
    mean = sum(row["rating"] for row in rated) / len(rated)
    best = sorted(rated, key=lambda row: -row["rating"])
    liked = ", ".join(f"{row['title']} ({row['rating']:g})" for row in best[:5])
    st.caption(plain(f"{counted(len(rated), 'film')}, {mean:.2f} stars on average. Liked most: {liked}."))
    with st.expander("All films rated"):
        columns: grids.Columns = {
            "Film": [row["title"] for row in best],
            "Stars": [row["rating"] for row in best],
            "Rated": [day(row.get("timestamp")) for row in best],
        }
        config = grids.numbers(("Stars",), 1)
        grids.grid(columns, key=f"before-after-rated-{number}", alt="Films rated", config=config)
