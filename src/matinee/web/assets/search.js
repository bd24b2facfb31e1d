// Results of a search, and how each film matched.

import { draw, html } from "./html.js";
import { filmAddress, named, plural, poster, starless } from "./films.js";

const WAYS = { title: "Title", meaning: "Meaning", words: "Description", poster: "Poster" };
const EXAMPLES = ["slow-burn heist in the rain", "starr warrs", "robots who learn to love", "two friends on the road", "ghosts in an old house"];

const example = (text) => html`<li><a class="plain" href="?tab=search&amp;q=${encodeURIComponent(text)}" data-go>${text}</a></li>`;

const beginning = () => html`<h2>Find films by title or by what they are about</h2>
  <p class="quiet">Typing errors are forgiven. Write a title, a plot, a mood. For instance:</p>
  <ul class="examples">${EXAMPLES.map(example)}</ul>`;

const rated = (film) => (film.ratings && starless() ? `seen ${plural(film.ratings, "time")}` : film.ratings ? `${plural(film.ratings, "rating")}, ${film.mean.toFixed(1)} stars on average` : "not rated yet");

const result = (film) => html`<li class="result"><a href="${filmAddress(film.movie_id)}" data-go>${poster(film)}
  <span class="words"><span class="name">${named(film)}</span>
  <span class="meta">${(film.genres || []).join(", ")}</span>
  <span class="how">${film.how ? html`<b>${WAYS[film.matched] || film.matched}</b> ${film.how}` : rated(film)}</span></span></a></li>`;

function heading({ q, filter, items, total }) {
  const count = total ?? items.length;
  const films = plural(count, "film");
  const shown = count > items.length ? `, the ${items.length} most rated` : "";
  return q ? `${films} for “${q}”${filter ? ` where ${filter}` : ""}` : `${films} where ${filter}${shown}`;
}

const nothing = ({ q, filter }) => html`<p class="empty">${
  filter ? "No film is both like this and allowed by the filter. Loosen the filter, or change the text." : `Nothing comes near “${q}”. Try other words, or fewer.`
}</p>`;

function results(value) {
  if (value.items === null) return beginning();
  return html`<h2 dir="auto">${heading(value)}</h2>
    ${value.items.length ? html`<ol class="results">${value.items.map(result)}</ol>` : nothing(value)}`;
}

export function mount({ root, props, watch }) {
  root.innerHTML = '<p class="seen-not" role="status"></p><div class="search"></div>';
  const [said, sheet] = root.children;
  const ready = () => root.closest("#search-results")?.classList.remove("waiting");
  addEventListener("matinee:failed", ready);
  draw({ root: sheet, props, watch }, results, (_, value) => {
    ready();
    said.textContent = value.items ? heading(value) : "";
  });
}
