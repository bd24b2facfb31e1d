// The wall of posters: one click on a star rates a film.

import { draw, html } from "./html.js";
import { filmAddress, listenToStars, named, poster, starButtons } from "./films.js";

const card = (film) => html`<li class="card">
  <a href="${filmAddress(film.movie_id)}" data-go data-key="film-${film.movie_id}">${poster(film)}<span class="name">${named(film)}</span></a>
  ${starButtons(film, film.rating)}
</li>`;

export function mount(view) {
  listenToStars(view.root, (movie_id, stars) => window.matinee.fire(view.trigger, "rate", { movie_id, stars }));
  draw(view, (value) => html`<ul class="wall" aria-label="Films to rate">${value.items.map(card)}</ul>`);
}
