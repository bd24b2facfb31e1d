// Films to start from, for visitors without a poster.

import { draw, html } from "./html.js";
import { named, poster } from "./films.js";

const starter = (film) => html`<li>
  <a href="?tab=match&film=${encodeURIComponent(film.movie_id)}" data-go data-key="start-${film.movie_id}" title="${named(film)}">${poster(film, { alt: named(film) })}</a>
</li>`;

export function mount(view) {
  draw(view, ({ items }) =>
    html`${items?.length > 0 && html`<section class="starters"><h3>No poster at hand? Start from one of these</h3><ul>${items.map(starter)}</ul></section>`}`,
  );
}
