// The list for one person: poster, predicted stars, why.

import { draw, html } from "./html.js";
import { filmAddress, named, poster } from "./films.js";

const pick = (film) => html`<li class="pick">
  <a href="${filmAddress(film.movie_id)}" data-go>${poster(film)}<span class="name">${named(film)}</span></a>
  ${film.stars && html`<span class="expected">★ ${film.stars.toFixed(1)} expected</span>`}
  ${film.why && html`<span class="why">${film.why}</span>`}
</li>`;

export function mount(view) {
  draw(view, (value) => html`<ol class="picks" aria-label="Films for you">${value.items.map(pick)}</ol>`);
}
