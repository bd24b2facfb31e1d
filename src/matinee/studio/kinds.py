"""What the kinds of models do, in a line each."""

from __future__ import annotations

KINDS = {
    "popularity": "The films with the most ratings, the same for everybody.",
    "itemknn": "Films that the same people rated.",
    "ease": "A linear model that rebuilds each history from its other films; every film's share is exact.",
    "ials": "Factors of users and films, learnt from what was rated at all.",
    "content": "Films about the same things: genres, people, tags, words, texts, posters.",
    "coldstart": "Factors of films foretold from their content, for films that nobody has rated.",
    "stars": "Predicted stars: biases of user and film, and factors.",
    "blend": "A weighted mean of other models.",
}
