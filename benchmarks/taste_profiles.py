"""Written profiles for `tastes.py`: a few films with stars, and the trait that a list for them must show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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
