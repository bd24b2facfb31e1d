// Ten numbered films for three favourites.

import { draw, html } from "./html.js";
import { filmAddress, named, plural, poster } from "./films.js";

const item = (film) => html`<li class="card"><a href="${filmAddress(film.movie_id)}" data-go>${poster(film)}
  <span class="name">${film.rank}. ${named(film)}</span></a>
  <p class="meta">${(film.genres || []).join(", ")}</p></li>`;

function list({ items, notes }) {
  if (!items) return html`<p class="empty">Choose three films that you love, and press “Recommend”.</p>`;
  return html`<h2>We think you'll like:</h2>
    ${notes.length > 0 && html`<ul class="notes">${notes.map((note) => html`<li>${note}</li>`)}</ul>`}
    ${items.length > 0 ? html`<ol class="posters" aria-label="Films for you">${items.map(item)}</ol>` : html`<p class="empty">No film is like these.</p>`}`;
}

export function mount({ root, props, watch }) {
  root.innerHTML = '<p class="seen-not" role="status"></p><div class="favourites"></div>';
  const [said, sheet] = root.children;
  draw({ root: sheet, props, watch }, list, (_, value) => {
    said.textContent = value.items ? `${plural(value.items.length, "film")}. ${value.notes.join(" ")}` : "";
  });
}
