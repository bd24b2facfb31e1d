"""Small tastes: whether a list shows what somebody loves, for 24 written profiles.

    python benchmarks/tastes.py                       # ml-latest-small with overviews; trains once, then remembers
    python benchmarks/tastes.py -v                    # with the ten films of each
    python benchmarks/tastes.py --tuning              # other profiles: those on which settings were chosen
    python benchmarks/tastes.py --strength 0 --adventurous 0.5 --model itemknn

Each profile is a few films with stars, and a trait that the catalogue's data can tell (genre, country, language, years,
director, tag or keyword). A list passes where at least half of its ten films have the trait; where two tastes are
given, three of each; where a taste and a hate are given, at most one film may have what is hated. A film whose data
lack the field counts as one without the trait. No setting was chosen on the 24 profiles: calibration was chosen on
those of `--tuning` and on the `likes` of every fifth user.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coldstart import SHARED, source

from matinee.data.load import load_dataset
from matinee.engine import Engine, Request
from matinee.engine.training import train_dataset
from matinee.settings import Settings

N = 10
HALF, EACH, AT_MOST = 5, 3, 1
"""Films of ten that must show the taste, each of two tastes, and that may show what is hated."""


@dataclass(frozen=True)
class Trait:
    """What a film must have: one of each group that is given."""

    genres: tuple[str, ...] = ()
    """All of them."""
    countries: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    directors: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    """Tags or keywords."""
    any_of: tuple[Trait, ...] = ()
    years: tuple[int, int] = (0, 9999)

    def of(self, film: dict[str, Any]) -> bool:
        """Whether a film (a row of the catalogue by column) has it."""
        words = {*film["tags"], *(word.lower() for word in film["keywords"])}
        pairs = (
            (self.countries, film["countries"]),
            (self.languages, film["languages"]),
            (self.directors, film["directors"]),
            (self.words, words),
        )
        return (
            set(self.genres) <= set(film["genres"])
            and all(not wanted or bool(set(wanted) & set(own)) for wanted, own in pairs)
            and (not self.any_of or any(trait.of(film) for trait in self.any_of))
            and self.years[0] <= (film["year"] or -1) <= self.years[1]
        )


@dataclass(frozen=True)
class Profile:
    """A history, and what a list for it must show."""

    name: str
    loved: tuple[str, ...]
    """Titles with years, five stars each."""
    trait: Trait
    other: Trait | None = None
    """The second of two tastes."""
    hated: tuple[str, ...] = ()
    """Half a star each."""
    hate: Trait | None = None


def genre(*names: str, years: tuple[int, int] = (0, 9999)) -> Trait:
    return Trait(genres=names, years=years)


def either(*traits: Trait) -> Trait:
    return Trait(any_of=traits)


SPORTS = ("sport", "sports", "baseball", "boxing", "basketball", "football", "american football", "ice hockey", "golf")
PIXAR = ("John Lasseter", "Andrew Stanton", "Pete Docter", "Brad Bird", "Lee Unkrich", "Brenda Chapman", "Dan Scanlon")
ANIME = either(
    Trait(genres=("Animation",), countries=("Japan",)),
    Trait(genres=("Animation",), languages=("Japanese",)),
    Trait(words=("anime", "studio ghibli")),
)
INDIAN = either(Trait(countries=("India",)), Trait(languages=("Hindi", "Bengali", "Tamil", "Urdu")))
JAPANESE = either(Trait(countries=("Japan",), languages=("Japanese",)), ANIME)
PROFILES = (
    Profile(
        "a director: Hitchcock",
        ("Rear Window (1954)", "Vertigo (1958)", "North by Northwest (1959)"),
        Trait(directors=("Alfred Hitchcock",)),
    ),
    Profile(
        "a studio: Pixar",
        ("Toy Story (1995)", "Finding Nemo (2003)", "Monsters, Inc. (2001)"),
        either(Trait(words=("pixar",)), Trait(genres=("Animation",), directors=PIXAR)),
    ),
    Profile(
        "horror of the 1980s",
        ("Friday the 13th (1980)", "A Nightmare on Elm Street (1984)", "The Evil Dead (1981)", "Hellraiser (1987)"),
        genre("Horror", years=(1980, 1989)),
    ),
    Profile(
        "documentaries",
        ("Hoop Dreams (1994)", "Roger & Me (1989)", "Spellbound (2002)"),
        genre("Documentary"),
    ),
    Profile(
        "French",
        ("The Chorus (Les Choristes) (2004)", "Jean de Florette (1986)", "Intouchables (2011)"),
        Trait(countries=("France",), languages=("French",)),
    ),
    Profile("Indian", ("3 Idiots (2009)", "Monsoon Wedding (2001)", "Like Stars on Earth (2007)"), INDIAN),
    Profile("Japanese", ("Rashomon (1950)", "Ikiru (1952)", "Tokyo Story (1953)"), JAPANESE),
    Profile(
        "Korean",
        ("Old Boy (2003)", "Memories of Murder (2003)", "The Host (2006)"),
        either(Trait(countries=("South Korea",)), Trait(languages=("Korean",))),
    ),
    Profile(
        "silent films",
        ("Metropolis (1927)", "The General (1926)", "Nosferatu (1922)", "The Gold Rush (1925)"),
        Trait(years=(1890, 1930)),
    ),
    Profile(
        "film noir",
        ("Double Indemnity (1944)", "The Big Sleep (1946)", "The Maltese Falcon (1941)"),
        genre("Film-Noir"),
    ),
    Profile(
        "romantic comedies",
        ("Notting Hill (1999)", "You've Got Mail (1998)", "While You Were Sleeping (1995)"),
        genre("Romance", "Comedy"),
    ),
    Profile("children", ("Babe (1995)", "Matilda (1996)", "The Parent Trap (1998)"), genre("Children")),
    Profile("westerns", ("Tombstone (1993)", "Unforgiven (1992)", "High Noon (1952)"), genre("Western")),
    Profile(
        "musicals",
        ("Singin' in the Rain (1952)", "West Side Story (1961)", "My Fair Lady (1964)"),
        genre("Musical"),
    ),
    Profile("one film only: Halloween", ("Halloween (1978)",), genre("Horror")),
    Profile(
        "two tastes: musicals and horror",
        (
            *("The Sound of Music (1965)", "Mary Poppins (1964)", "Grease (1978)"),
            *("The Exorcist (1973)", "Carrie (1976)", "The Omen (1976)"),
        ),
        genre("Musical"),
        genre("Horror"),
    ),
    Profile(
        "animation, no horror",
        ("The Lion King (1994)", "Shrek (2001)", "Up (2009)"),
        genre("Animation"),
        hated=("Saw (2004)", "The Ring (2002)", "Hostel (2005)"),
        hate=genre("Horror"),
    ),
    Profile(
        "romance, no action",
        ("Sense and Sensibility (1995)", "Before Sunrise (1995)", "The Notebook (2004)"),
        genre("Romance"),
        hated=("Commando (1985)", "Con Air (1997)", "Rambo: First Blood Part II (1985)"),
        hate=genre("Action"),
    ),
    Profile("war", ("Platoon (1986)", "The Thin Red Line (1998)", "The Bridge on the River Kwai (1957)"), genre("War")),
    Profile(
        "sports",
        ("Rocky (1976)", "Hoosiers (1986)", "Remember the Titans (2000)", "Field of Dreams (1989)"),
        Trait(words=SPORTS),
    ),
    Profile(
        "British comedies",
        ("Monty Python's Life of Brian (1979)", "The Full Monty (1997)", "Hot Fuzz (2007)"),
        Trait(genres=("Comedy",), countries=("United Kingdom",)),
    ),
    Profile(
        "science fiction of the 1950s to 1970s",
        ("The Day the Earth Stood Still (1951)", "Forbidden Planet (1956)", "Planet of the Apes (1968)"),
        genre("Sci-Fi", years=(1950, 1979)),
    ),
    Profile("anime", ("Akira (1988)", "Princess Mononoke (1997)", "Ghost in the Shell (1995)"), ANIME),
    Profile(
        "Italian",
        ("Bicycle Thieves (1948)", "8 1/2 (1963)", "Nights of Cabiria (1957)"),
        Trait(countries=("Italy",), languages=("Italian",)),
    ),
)

TUNING = (
    Profile(
        "a director: Kurosawa",
        ("Seven Samurai (1954)", "Yojimbo (1961)", "Ran (1985)"),
        Trait(directors=("Akira Kurosawa",)),
    ),
    Profile(
        "Hong Kong",
        ("In the Mood For Love (2000)", "Infernal Affairs (2002)", "Hard-Boiled (1992)"),
        either(Trait(countries=("Hong Kong",)), Trait(languages=("Cantonese", "Yue Chinese"))),
    ),
    Profile(
        "German",
        ("Run Lola Run (1998)", "The Lives of Others (2006)", "Good bye, Lenin! (2003)"),
        Trait(countries=("Germany", "West Germany"), languages=("German",)),
    ),
    Profile(
        "Scandinavian",
        ("The Seventh Seal (1957)", "Let the Right One In (2008)", "The Celebration (1998)"),
        Trait(countries=("Sweden", "Denmark", "Norway")),
    ),
    Profile(
        "Spanish-speaking",
        ("Pan's Labyrinth (2006)", "Like Water for Chocolate (1992)", "And Your Mother Too (2001)"),
        Trait(languages=("Spanish",), countries=("Spain", "Mexico", "Argentina", "Chile", "Cuba", "Colombia")),
    ),
    Profile(
        "horror of the 1970s",
        ("The Texas Chainsaw Massacre (1974)", "Dawn of the Dead (1978)", "Suspiria (1977)"),
        genre("Horror", years=(1970, 1979)),
    ),
    Profile(
        "comedies of the 1930s and 1940s",
        ("Bringing Up Baby (1938)", "The Philadelphia Story (1940)", "His Girl Friday (1940)"),
        genre("Comedy", years=(1930, 1949)),
    ),
    Profile(
        "superheroes",
        ("Spider-Man (2002)", "X-Men (2000)", "Iron Man (2008)"),
        either(Trait(words=("superhero", "super hero", "marvel", "dc comics", "based on comic book", "comic book"))),
    ),
    Profile("one film only: Fantasia", ("Fantasia (1940)",), genre("Animation")),
    Profile("one film only: Super Size Me", ("Super Size Me (2004)",), genre("Documentary")),
    Profile(
        "two tastes: French and westerns",
        (
            *("Delicatessen (1991)", "The Triplets of Belleville (2003)", "La Femme Nikita (1990)"),
            *("Butch Cassidy and the Sundance Kid (1969)", "The Searchers (1956)", "Maverick (1994)"),
        ),
        Trait(countries=("France",), languages=("French",)),
        genre("Western"),
    ),
    Profile(
        "mysteries, no children's films",
        ("Chinatown (1974)", "L.A. Confidential (1997)", "Memento (2000)"),
        genre("Mystery"),
        hated=("Space Jam (1996)", "Babe (1995)", "Home Alone (1990)"),
        hate=genre("Children"),
    ),
)


def rows_of(columns: dict[str, list[Any]], titles: Sequence[str]) -> list[int]:
    """Rows of films by title (the part in brackets may be left out) and year."""
    found = []
    for text in titles:
        title, year = text[:-7], int(text[-5:-1])
        rows = [
            row
            for row, (name, when) in enumerate(zip(columns["title"], columns["year"], strict=True))
            if when == year and (name == title or name.startswith(f"{title} ("))
        ]
        if len(rows) != 1:
            raise SystemExit(f"{text}: {len(rows)} films of the catalogue are called so.")
        found += rows
    return found


def judged(profile: Profile, films: Sequence[dict[str, Any]]) -> tuple[bool, str]:
    """Whether a list passes, and what it shows in words."""
    shown = sum(profile.trait.of(film) for film in films)
    if profile.other is not None:
        second = sum(profile.other.of(film) for film in films)
        return min(shown, second) >= EACH, f"{shown} and {second} of {len(films)}"
    if profile.hate is not None:
        bad = sum(profile.hate.of(film) for film in films)
        return shown >= HALF and bad <= AT_MOST, f"{shown} of {len(films)}, {bad} hated"
    return shown >= HALF, f"{shown} of {len(films)}"


def open_engine(folder: Path, settings: Settings) -> Engine:
    """An engine on the data set, trained where the data folder has no snapshot yet."""
    if not any(settings.snapshots_dir.glob("*/manifest.json")):
        with source(folder) as beside:
            dataset = load_dataset(str(beside), settings)
        train_dataset(settings, dataset)
    return Engine.open(settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=SHARED / "ml-latest-small", help="folder with the data")
    parser.add_argument("--data-dir", type=Path, help="where the trained snapshot lies (default: a temporary folder)")
    parser.add_argument("--model", help="the model asked (default: the snapshot's)")
    parser.add_argument("--adventurous", type=float, help="0..1 (default: that of the settings)")
    parser.add_argument("--strength", type=float, help="of calibration, 0..1 (default: that of the settings)")
    parser.add_argument("--tuning", action="store_true", help="the profiles on which settings were chosen")
    parser.add_argument("-v", "--verbose", action="store_true", help="print the films")
    options = parser.parse_args()
    place = options.data_dir or Path(tempfile.gettempdir()) / f"matinee-tastes-{os.getuid()}"
    given = {} if options.strength is None else {"calibration": options.strength}
    settings = Settings(data_dir=place, **given)
    started = time.perf_counter()
    profiles = TUNING if options.tuning else PROFILES
    passed = 0
    with open_engine(options.data, settings) as engine:
        catalog = engine._current()[1].catalog
        columns = {name: catalog.column(name) for name in catalog.frame.columns}
        print("| profile | shown | |\n|---|---|---|")
        for profile in profiles:
            stars = {row: 5.0 for row in rows_of(columns, profile.loved)}
            stars |= {row: 0.5 for row in rows_of(columns, profile.hated)}
            history = {columns["movie_id"][row]: value for row, value in stars.items()}
            request = Request(n=N, model=options.model, adventurous=options.adventurous)
            answer = engine.recommend_for(history, request)
            films = [{name: columns[name][item.row] for name in columns} for item in answer.items]
            right, told = judged(profile, films)
            passed += right
            print(f"| {profile.name} | {told} | {'pass' if right else 'FAIL'} |")
            if options.verbose:
                for film in films:
                    mark = "+" if profile.trait.of(film) or (profile.other and profile.other.of(film)) else " "
                    mark = "-" if profile.hate is not None and profile.hate.of(film) else mark
                    print(f"    {mark} {film['title']} ({film['year']})")
    print(f"\n{passed} of {len(profiles)} pass ({time.perf_counter() - started:.0f} s)")


if __name__ == "__main__":
    main()
