// Films similar to a title, with links to IMDb, the matched film, and the index and space that were used.

import { draw, html } from "./html.js";
import { filmAddress, named, plural, poster } from "./films.js";

const INDEXES = { faiss: "FAISS", annoy: "Annoy", hnsw: "HNSW", exact: "exact search" };
const SPACES = { content: "by what films are about", taste: "by who liked them" };
const PLOTS = { tfidf: "by the words that plots share", embedding: "by what plots mean" };

const card = (film) => html`<li class="card">
  <a href="${filmAddress(film.movie_id)}" data-go data-key="like-${film.movie_id}">${poster(film)}<span class="name">${named(film)}</span></a>
  <span class="meta">similarity ${film.similarity.toFixed(3)}</span>
  ${film.reason && html`<span class="meta" dir="auto">${film.reason}</span>`}
  ${film.imdb_url && html`<a class="imdb" href="${film.imdb_url}" target="_blank" rel="noopener" aria-label="${named(film)} at IMDb, ${film.imdb_id} (new window)">IMDb ${film.imdb_id}</a>`}
</li>`;

function heading({ matched }) {
  const film = html`<a href="${filmAddress(matched.movie_id)}" data-go><bdi>${named(matched)}</bdi></a>`;
  return matched.score < 100 ? html`Taken for ${film}` : html`More like ${film}`;
}

function description({ model, index, space, fallback, method, asked }) {
  if (method === "tfidf") return html`Found ${PLOTS.tfidf}.`; // there is no index of words
  const by = html`Found ${PLOTS[method] ?? SPACES[space]}, ${INDEXES[index] ?? index}.`;
  const lacks = asked.likeness === "content" ? "Nobody has rated this film yet" : "There is no plot of this film to compare";
  if (fallback) return html`${lacks}, so this goes by what films are about. ${by}`;
  if (model !== index) return html`There is no ${INDEXES[model] ?? model} index here. ${by}`;
  return by;
}

const results = (value) => html`<p class="seen-not" role="status">${plural(value.items.length, "film")} like ${named(value.matched)}.</p>
  <h3>${heading(value)}</h3>
  <p class="quiet">${description(value)}</p>
  ${
    value.items.length
      ? html`<ol class="posters" aria-label="Films like ${named(value.matched)}">${value.items.map(card)}</ol>`
      : html`<p class="empty">Nothing is similar to this film.</p>`
  }`;

const invitation = html`<p class="empty">Type a title on this page: similar films will appear here. Typing errors are forgiven.</p>`;

/** Put the chosen one of the two tabs into the address. */
function keepView(event) {
  const tab = event.target.closest('#similar-views [role="tab"]');
  const params = new URLSearchParams(location.search);
  if (!tab || params.get("tab") !== "similar") return;
  if (tab.textContent.includes("Plot")) params.set("view", "map");
  else params.delete("view");
  window.matinee.address(`?${params}`);
}

export function mount(view) {
  document.addEventListener("click", keepView);
  draw(view, (value) => html`<section class="alike-list">${value.matched ? results(value) : invitation}</section>`);
}
