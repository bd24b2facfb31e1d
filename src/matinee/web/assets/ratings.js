// The visitor's ratings, newest first, which can be changed and deleted.

import { draw, html } from "./html.js";
import { filmAddress, forget, listenToStars, plural, poster, starButtons, starsFrom } from "./films.js";

const rated = (film) => html`<li data-movie="${film.movie_id}">
  <div class="rated">
    <a href="${filmAddress(film.movie_id)}" data-go data-key="rated-${film.movie_id}" aria-label="${film.title}">${poster(film)}</a>
    <button type="button" class="remove" data-remove="${film.movie_id}" data-key="remove-${film.movie_id}"
      aria-label="Take back your rating of ${film.title}" title="Take this rating back"><span aria-hidden="true">✕</span></button>
  </div>
  <span class="name">${film.title}</span>
  ${starButtons(film, film.rating)}
</li>`;

function strip(value) {
  if (!value.items) return "";
  starsFrom(value.lowest, value.seen);
  const shown = plural(value.total, "film") + (value.total > 1 ? ", newest first" : "");
  return html`<section aria-labelledby="ratings-title">
    <h2 id="ratings-title">Your ratings <span class="quiet small">${value.total > 0 && shown}</span></h2>
    ${value.items.length > 0
      ? html`<ul class="strip" aria-label="Films that you have rated">${value.items.map(rated)}</ul>`
      : html`<p class="empty">Nothing yet. Click a star to rate a film, and it will appear here.</p>`}
  </section>`;
}

export function mount(view) {
  const { root, trigger } = view;
  const emit = (name, detail) => dispatchEvent(new CustomEvent(name, { detail }));
  listenToStars(root, (movie_id, stars) => window.matinee.fire(trigger, "rate", { movie_id, stars }));
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-remove]");
    if (!button || button.dataset.gone) return;
    const movie_id = button.dataset.remove;
    button.dataset.gone = "1"; // not disabled: that would lose the focus
    forget(movie_id);
    window.matinee.fire(trigger, "unrate", { movie_id });
  });
  addEventListener("matinee:failed", () => {
    for (const button of root.querySelectorAll("[data-gone]")) delete button.dataset.gone;
  });
  draw(view, strip, (_, value) => {
    if (value.error) return emit("matinee:failed", { movie_id: value.movie_id });
    const stars = Object.fromEntries((value.items ?? []).map((film) => [film.movie_id, film.rating]));
    if (value.removed) stars[value.removed] = null;
    emit("matinee:rated", { stars });
  });
}
