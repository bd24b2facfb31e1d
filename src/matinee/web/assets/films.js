// Pieces that many views share: a poster, a film's name, stars.

import { html } from "./html.js";

export const filmAddress = (id) => `?tab=film&film=${encodeURIComponent(id)}`;

export const named = (film) => (film.year ? `${film.title} (${film.year})` : film.title);

/** "1 film", "1,234 films". */
export const plural = (count, word) => `${count.toLocaleString("en-GB")} ${word}${count === 1 ? "" : "s"}`;

/** A film's poster. Its text is empty where the film's name stands beside it. */
export function poster(film, { alt = "", small = true } = {}) {
  const source = `media/posters/${encodeURIComponent(film.movie_id)}${small ? "?size=small" : ""}`;
  return html`<img class="poster" src="${source}" alt="${alt}" loading="lazy" decoding="async" width="160" height="240" />`;
}

/** "on", "half" or nothing: how star number `stars` looks for a rating. */
function lit(rating, stars) {
  if (!rating) return "";
  return rating >= stars ? " on" : rating >= stars - 0.5 ? " half" : "";
}

/** Five buttons, one click each; `rating` is what the visitor gave before. */
export function starButtons(film, rating) {
  const buttons = [1, 2, 3, 4, 5].map(
    (stars) => html`<button type="button" class="star${lit(rating, stars)}" data-movie="${film.movie_id}"
      data-stars="${stars}" data-key="star-${film.movie_id}-${stars}" aria-pressed="${String(rating === stars)}"
      aria-label="${stars} of 5 stars for ${film.title}"><span aria-hidden="true">★</span></button>`,
  );
  return html`<span class="stars" role="group" aria-label="Your stars for ${film.title}" data-rating="${rating}">${buttons}</span>`;
}

/** Show these stars (null: none) for a film in `root`. */
export function setStars(root, id, rating) {
  for (const group of root.querySelectorAll(".stars")) {
    if (group.firstElementChild?.dataset.movie === id) show(group, rating);
  }
}

function show(group, rating) {
  group.dataset.rating = rating ?? "";
  for (const button of group.children) {
    const stars = Number(button.dataset.stars);
    button.className = `star${lit(rating, stars)}`;
    button.setAttribute("aria-pressed", String(rating === stars));
  }
}

/** Call `rate` with the film, the stars, and those before, of a star button that is clicked in `root`. */
export function listenToStars(root, rate) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button.star");
    if (!button) return;
    const stars = Number(button.dataset.stars);
    const before = Number(button.parentElement.dataset.rating) || null;
    show(button.parentElement, stars);
    rate(button.dataset.movie, stars, before);
  });
}
