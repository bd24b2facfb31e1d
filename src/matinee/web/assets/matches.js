// The films whose posters look most like the picture.

import { draw, html } from "./html.js";
import { filmAddress, named, poster } from "./films.js";

const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

const percent = (film) => Math.round(Math.max(film.similarity, 0) * 100);

const card = (film) => html`<li class="card">
  <a href="${filmAddress(film.movie_id)}" data-go data-key="match-${film.movie_id}">${poster(film)}<span class="name">${named(film)}</span></a>
  <span class="alike"><b>${percent(film)} %</b> alike <span class="quiet">(${film.similarity.toFixed(3)})</span></span>
  <span class="bar" aria-hidden="true"><i style="width:${percent(film)}%"></i></span>
  <span class="links">
    <a href="?tab=match&film=${encodeURIComponent(film.movie_id)}" data-go aria-label="Films with posters like that of ${named(film)}">Like this</a>
    ${film.imdb_url && html`<a href="${film.imdb_url}" rel="noopener" target="_blank" aria-label="${named(film)} at IMDb (new window)">IMDb</a>`}
  </span>
</li>`;

function found({ items, query }) {
  const many = NUMBERS[items.length] ?? items.length;
  const what = query?.title ? html`the poster of <bdi>${named(query)}</bdi>` : "your picture";
  const [films, posters] = items.length === 1 ? ["One film", "The poster"] : [`${many} films`, `The ${many} posters`];
  return html`<p class="seen-not" role="status">${films} found.</p>
    <h3>${posters} most like ${what}</h3>
    <ol class="posters">${items.map(card)}</ol>`;
}

const invitation = html`<p class="empty">Films with similar posters will appear here.</p>`;

export function mount(view) {
  draw(view, (value) => html`<section class="matches">${value.items?.length ? found(value) : invitation}</section>`);
}
