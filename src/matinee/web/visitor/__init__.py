"""JSON routes of the web app for its own pages, below `/app/` (docs/decisions/0021).

routes.py        the routes: inputs in, answers and errors out
abilities.py     which of the core's newer routes there are
facets.py        genres, decades, countries, languages of the catalog
wall.py          a varied wall of films to begin with
shelves.py       the rows of the first page: which there are, and what is in each
marks.py         what a user has rated, seen, and put on the list
actions.py       one click of a card
find.py          search by words and by picture
"""

from matinee.web.visitor.routes import visitor_routes as visitor_routes
