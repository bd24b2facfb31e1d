"""Searches for people, numerals, abbreviations and wishes, with films that must be among the first five.

The films are those of ml-latest-small; for `benchmarks/search_wishes.py`. Written before the code that reads them was
tuned; TUNING was looked at meanwhile, TEST last. Where several films are named, any of them will do: people who type a
director's name want one of the best known films.
"""

from __future__ import annotations

Queries = tuple[tuple[str, tuple[str, ...]], ...]

TUNING: Queries = (
    # people
    ("tarrantino", ("Pulp Fiction (1994)", "Reservoir Dogs (1992)")),
    ("di caprio", ("Inception (2010)", "The Departed (2006)", "Titanic (1997)")),
    ("kurosawa", ("Seven Samurai (1954)", "Rashomon (1950)")),
    ("stanley kubrick", ("2001: A Space Odyssey (1968)", "The Shining (1980)", "Dr. Strangelove (1964)")),
    ("spielburg", ("Jaws (1975)", "Jurassic Park (1993)", "Schindler's List (1993)", "Raiders of the Lost Ark (1981)")),
    ("audrey hepburn", ("Breakfast at Tiffany's (1961)", "Roman Holiday (1953)", "My Fair Lady (1964)")),
    ("coen", ("Fargo (1996)", "The Big Lebowski (1998)", "No Country for Old Men (2007)")),
    ("jackie chan", ("Rush Hour (1998)", "Rumble in the Bronx (1995)", "Shanghai Noon (2000)")),
    ("miyazaki", ("Spirited Away (2001)", "Princess Mononoke (1997)", "My Neighbor Totoro (1988)")),
    ("almodovar", ("All About My Mother (1999)", "Talk to Her (2002)")),
    # numerals
    ("rocky 3", ("Rocky III (1982)",)),
    ("star trek 2", ("Star Trek II: The Wrath of Khan (1982)",)),
    ("twelve angry men", ("12 Angry Men (1957)",)),
    ("8½", ("8 1/2 (1963)",)),
    ("se7en", ("Seven (1995)",)),
    ("godfather 2", ("The Godfather: Part II (1974)",)),
    ("harry potter 3", ("Harry Potter and the Prisoner of Azkaban (2004)",)),
    ("7 samurai", ("Seven Samurai (1954)",)),
    ("toy story iii", ("Toy Story 3 (2010)",)),
    ("alien 3", ("Alien³ (1992)",)),
    # abbreviations
    ("T2", ("Terminator 2: Judgment Day (1991)",)),
    ("lotr", ("The Lord of the Rings: The Fellowship of the Ring (2001)",)),
    ("hp", ("Harry Potter and the Sorcerer's Stone (2001)",)),
    ("sw 4", ("Star Wars: Episode IV - A New Hope (1977)",)),
    ("bttf", ("Back to the Future (1985)",)),
    ("tdk", ("The Dark Knight (2008)",)),
    ("mib", ("Men in Black (1997)",)),
    # wishes
    (
        "movies like heat",
        ("Casino (1995)", "L.A. Confidential (1997)", "Donnie Brasco (1997)", "The Insider (1999)", "Ronin (1998)"),
    ),
    (
        "90s action with bruce willis",
        ("Die Hard: With a Vengeance (1995)", "The Fifth Element (1997)", "Armageddon (1998)"),
    ),
    ("james bond with sean connery", ("Goldfinger (1964)", "Dr. No (1962)", "From Russia with Love (1963)")),
    ("korean horror after 2010", ("I Saw the Devil (2010)", "Train to Busan (2016)", "The Wailing (2016)")),
    ("short comedies", ("Forrest Gump (1994)", "Pulp Fiction (1994)", "Toy Story (1995)", "Aladdin (1992)")),
    ("french comedies", ("Amelie (2001)", "The Intouchables (2011)", "Delicatessen (1991)")),
    ("westerns by sergio leone", ("Once Upon a Time in the West (1968)", "The Good, the Bad and the Ugly (1966)")),
    ("80s horror", ("The Shining (1980)", "A Nightmare on Elm Street (1984)", "Aliens (1986)", "The Thing (1982)")),
    ("science fiction before 1970", ("2001: A Space Odyssey (1968)", "Planet of the Apes (1968)")),
    (
        "japanese animation",
        ("Spirited Away (2001)", "Princess Mononoke (1997)", "My Neighbor Totoro (1988)", "Akira (1988)"),
    ),
    (
        "romcoms with meg ryan",
        ("Sleepless in Seattle (1993)", "You've Got Mail (1998)", "When Harry Met Sally... (1989)"),
    ),
    ("heist movie with george clooney", ("Ocean's Eleven (2001)", "Ocean's Twelve (2004)", "Out of Sight (1998)")),
    (
        "films similar to the matrix",
        (
            "Terminator 2: Judgment Day (1991)",
            "Fight Club (1999)",
            "Star Wars: Episode IV - A New Hope (1977)",
            "The Matrix Reloaded (2003)",
            "Inception (2010)",
        ),
    ),
)

TEST: Queries = (
    # people
    ("quentin tarantino", ("Pulp Fiction (1994)", "Reservoir Dogs (1992)")),
    ("scorcese", ("Goodfellas (1990)", "Taxi Driver (1976)", "The Departed (2006)")),
    ("hitchcok", ("Psycho (1960)", "Rear Window (1954)", "Vertigo (1958)", "North by Northwest (1959)")),
    (
        "meryl streep",
        (
            "The Devil Wears Prada (2006)",
            "Sophie's Choice (1982)",
            "Adaptation (2002)",
            "The Deer Hunter (1978)",
            "Out of Africa (1985)",
        ),
    ),
    ("christopher nolan", ("Inception (2010)", "Memento (2000)", "The Dark Knight (2008)")),
    ("schwarzeneger", ("The Terminator (1984)", "Terminator 2: Judgment Day (1991)", "True Lies (1994)")),
    ("wes anderson", ("The Royal Tenenbaums (2001)", "Rushmore (1998)", "The Grand Budapest Hotel (2014)")),
    ("humphrey bogart", ("Casablanca (1942)", "The Maltese Falcon (1941)", "The African Queen (1951)")),
    ("ingmar bergmann", ("The Seventh Seal (1957)", "Persona (1966)", "Wild Strawberries (1957)")),
    ("kathryn bigelow", ("Point Break (1991)", "The Hurt Locker (2008)", "Strange Days (1995)")),
    # numerals
    ("rambo 2", ("Rambo: First Blood Part II (1985)",)),
    ("die hard 3", ("Die Hard: With a Vengeance (1995)",)),
    ("ocean's 11", ("Ocean's Eleven (2001)",)),
    ("star wars 5", ("Star Wars: Episode V - The Empire Strikes Back (1980)",)),
    ("two fast two furious", ("2 Fast 2 Furious (2003)",)),
    ("kill bill two", ("Kill Bill: Vol. 2 (2004)",)),
    ("indiana jones 3", ("Indiana Jones and the Last Crusade (1989)",)),
    ("lord of the rings 2", ("The Lord of the Rings: The Two Towers (2002)",)),
    ("101 dalmations", ("101 Dalmatians (1996)", "One Hundred and One Dalmatians (1961)", "101 Dalmatians (1961)")),
    ("twenty eight days later", ("28 Days Later (2002)",)),
    # abbreviations
    ("hp 5", ("Harry Potter and the Order of the Phoenix (2007)",)),
    ("lotr 3", ("The Lord of the Rings: The Return of the King (2003)",)),
    ("potc", ("Pirates of the Caribbean: The Curse of the Black Pearl (2003)",)),
    ("gotg", ("Guardians of the Galaxy (2014)",)),
    ("esotsm", ("Eternal Sunshine of the Spotless Mind (2004)",)),
    ("mi2", ("Mission: Impossible II (2000)",)),
    ("tsotl", ("The Silence of the Lambs (1991)",)),
    # wishes
    ("movies like the godfather", ("The Godfather: Part II (1974)", "Goodfellas (1990)")),
    (
        "70s thrillers",
        (
            "Jaws (1975)",
            "Chinatown (1974)",
            "Deliverance (1972)",
            "The Conversation (1974)",
            "Alien (1979)",
            "Taxi Driver (1976)",
        ),
    ),
    (
        "comedies with jim carrey",
        ("Ace Ventura: Pet Detective (1994)", "Dumb & Dumber (1994)", "Liar Liar (1997)", "The Mask (1994)"),
    ),
    ("german films about the war", ("Downfall (2004)", "Das Boot (1981)", "The Lives of Others (2006)")),
    ("spanish horror", ("The Devil's Backbone (2001)", "The Orphanage (2007)", "The Others (2001)", "[REC] (2007)")),
    ("animated movies from 1995", ("Toy Story (1995)", "Pocahontas (1995)")),
    (
        "something like spirited away",
        (
            "Princess Mononoke (1997)",
            "My Neighbor Totoro (1988)",
            "Howl's Moving Castle (2004)",
            "Kiki's Delivery Service (1989)",
        ),
    ),
    (
        "war movies since 2000",
        (
            "Inglourious Basterds (2009)",
            "Black Hawk Down (2001)",
            "The Hurt Locker (2008)",
            "The Pianist (2002)",
            "300 (2007)",
        ),
    ),
    ("directed by ridley scott", ("Gladiator (2000)", "Alien (1979)", "Blade Runner (1982)")),
    ("vampire movie with brad pitt", ("Interview with the Vampire: The Vampire Chronicles (1994)",)),
    (
        "best documentaries",
        (
            "Bowling for Columbine (2002)",
            "Super Size Me (2004)",
            "Fahrenheit 9/11 (2004)",
            "March of the Penguins (2005)",
        ),
    ),
    (
        "romantic comedies from the nineties",
        (
            "Pretty Woman (1990)",
            "Forrest Gump (1994)",
            "Four Weddings and a Funeral (1994)",
            "Sleepless in Seattle (1993)",
        ),
    ),
    (
        "italian films of the sixties",
        (
            "The Good, the Bad and the Ugly (1966)",
            "8 1/2 (1963)",
            "La Dolce Vita (1960)",
            "Once Upon a Time in the West (1968)",
        ),
    ),
)
