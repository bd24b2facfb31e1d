// Pieces that many views share: a poster, a film's name, stars.

import { html } from "./html.js";

export const filmAddress = (id) => `?tab=film&film=${encodeURIComponent(id)}`;

export const named = (film) => (film.year ? `${film.title} (${film.year})` : film.title);

/** A film's poster. Its text is empty where the film's name stands beside it. */
export function poster(film, { alt = "", small = true } = {}) {
  const source = `media/posters/${encodeURIComponent(film.movie_id)}${small ? "?size=small" : ""}`;
  return html`<img class="poster" src="${source}" alt="${alt}" loading="lazy" decoding="async" width="160" height="240" />`;
}

/** Five buttons, one click each; `rating` is what the visitor gave before. */
export function starButtons(film, rating) {
  const buttons = [1, 2, 3, 4, 5].map(
    (stars) => html`<button type="button" class="star${rating >= stars ? " on" : ""}" data-movie="${film.movie_id}"
      data-stars="${stars}" data-key="star-${film.movie_id}-${stars}" aria-pressed="${String(rating === stars)}"
      aria-label="${stars} of 5 stars for ${film.title}"><span aria-hidden="true">★</span></button>`,
  );
  return html`<span class="stars" role="group" aria-label="Your stars for ${film.title}">${buttons}</span>`;
}

/** Call `rate` with the film and stars of a star button that is clicked in `root`. */
export function listenToStars(root, rate) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button.star");
    if (!button) return;
    const stars = Number(button.dataset.stars);
    for (const each of button.parentElement.children) {
      each.classList.toggle("on", Number(each.dataset.stars) <= stars);
      each.setAttribute("aria-pressed", String(each === button));
    }
    rate(button.dataset.movie, stars);
  });
}
