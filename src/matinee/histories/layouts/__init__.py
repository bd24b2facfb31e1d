"""Layouts of exports, one a file. `ALL` has them in the order in which they are tried; `plain` fits any table last."""

from __future__ import annotations

from matinee.histories.layouts.base import Layout
from matinee.histories.layouts.imdb import Imdb
from matinee.histories.layouts.jellyfin import Jellyfin
from matinee.histories.layouts.kodi import Kodi
from matinee.histories.layouts.letterboxd import Letterboxd
from matinee.histories.layouts.movielens import MovieLens
from matinee.histories.layouts.netflix import Netflix
from matinee.histories.layouts.plain import Plain
from matinee.histories.layouts.plex import Plex
from matinee.histories.layouts.radarr import Radarr
from matinee.histories.layouts.simkl import Simkl
from matinee.histories.layouts.tmdb import Tmdb
from matinee.histories.layouts.trakt import Trakt

ALL: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Letterboxd(), Imdb(), Tmdb(), Simkl(), Trakt(), MovieLens(), Netflix(), Jellyfin(), Plex(), Kodi(), Radarr(),
        Plain(),
    )
}  # fmt: skip

__all__ = ["ALL", "Layout"]
