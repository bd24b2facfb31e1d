// Shared by views: posters, names of films, stars.

import { html } from "./html.js";
import { t } from "./strings.js";

const STEP = 0.5;
const pressed = new Map(); // film → { stars, before }: clicked stars that are not confirmed yet, and the rating before
let lowest = STEP; // the fewest stars of these data
let seen = false; // implicit feedback: the first star means that the film was seen

export const filmAddress = (id) => `?tab=film&film=${encodeURIComponent(id)}`;

export const named = (film) => (film.year ? `${film.title} (${film.year})` : film.title);

/** "1 film", "1,234 films". */
export const plural = (count, word) => `${count.toLocaleString("en-GB")} ${word}${count === 1 ? "" : "s"}`;

/** A film's poster. Its alternative text is empty if the film's name is next to it. */
export function poster(film, { alt = "", small = true } = {}) {
  const source = `media/posters/${encodeURIComponent(film.movie_id)}${small ? "?size=small" : ""}`;
  return html`<img class="poster" src="${source}" alt="${alt}" loading="lazy" decoding="async" width="160" height="240" />`;
}

/** Set the fewest stars of these data; `only`: they have no stars, and 1 means that a film was seen. */
export function starsFrom(stars, only = false) {
  if (stars > 0) lowest = stars;
  if (only === seen) return;
  seen = only;
  document.querySelectorAll(".halves").forEach((hint) => (hint.hidden = seen));
  document.querySelectorAll(".stars").forEach((group) => show(group, Number(group.dataset.rating) || null));
}

/** Whether these data have no stars. */
export const starless = () => seen;

/** The rating by a click on star number `stars`: half a star less if it is the rating already. */
const given = (stars, rating) => (rating === stars && stars - STEP >= lowest ? stars - STEP : stars);

/** "Press the fourth star again for 3.5.", or "" if that star gives no other rating. */
export function hint(rating) {
  const stars = Math.ceil(rating);
  const next = given(stars, rating);
  return stars > 0 && stars <= 5 && next !== rating ? t(`stars.hint.${stars}`, { next }) : "";
}

/** Style and labels of star number `stars`. A half star is "mixed" to screen readers. */
function face(title, stars, rating) {
  if (seen) return { style: rating ? "star on" : "star", pressed: String(Boolean(rating)), name: t("stars.seen", { title }), sign: "✓" };
  const half = rating >= stars - STEP && rating < stars;
  const next = given(stars, rating);
  const more = half ? t("stars.half", { rating, next }) : next < stars ? t("stars.next", { next }) : "";
  const name = t("stars.name", { stars, title }) + more;
  const style = half ? " half" : rating >= stars ? " on" : "";
  // No tooltip equal to the label, which screen readers would read twice.
  return { style: `star${style}`, pressed: half ? "mixed" : String(rating === stars), name, title: more && name, sign: "★" };
}

function star(film, stars, rating) {
  const { style, pressed, name, title, sign } = face(film.title, stars, rating);
  return html`<button type="button" class="${style}" data-movie="${film.movie_id}" data-stars="${stars}"
    data-key="star-${film.movie_id}-${stars}" aria-pressed="${pressed}" aria-label="${name}"${
      title && html` title="${title}"`}${seen && stars > 1 && html` hidden`}><span aria-hidden="true">${sign}</span></button>`;
}

/** Five star buttons, or one if the data have no stars; `rating` is the visitor's rating. */
export const starButtons = (film, rating) =>
  html`<span class="stars" role="group" aria-label="${t("stars.group", { title: film.title })}" data-rating="${rating}"
    data-title="${film.title}">${[1, 2, 3, 4, 5].map((stars) => star(film, stars, rating))}</span>`;

/** Show a rating (null: none) at every occurrence of a film. */
function setStars(id, rating) {
  for (const group of document.querySelectorAll(".stars")) {
    if (group.firstElementChild?.dataset.movie === id) show(group, rating);
  }
}

function show(group, rating) {
  group.dataset.rating = rating ?? "";
  for (const button of group.children) {
    const stars = Number(button.dataset.stars);
    const { style, pressed, name, title, sign } = face(group.dataset.title, stars, rating);
    button.className = style;
    button.hidden = seen && stars > 1;
    button.firstElementChild.textContent = sign;
    button.setAttribute("aria-pressed", pressed);
    button.setAttribute("aria-label", name);
    if (title) button.title = title;
    else button.removeAttribute("title");
  }
}

/** Call `rate(film, stars, group)` when a star button in `root` is clicked. The stars are shown at once. */
export function listenToStars(root, rate) {
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button.star");
    if (!button) return;
    const id = button.dataset.movie;
    const rating = Number(button.parentElement.dataset.rating) || null;
    const stars = given(Number(button.dataset.stars), rating);
    pressed.set(id, { stars, before: pressed.has(id) ? pressed.get(id).before : rating });
    setStars(id, stars);
    rate(id, stars, button.parentElement);
  });
}

/** Undo unconfirmed stars of a film. */
export function forget(id) {
  if (!pressed.has(id)) return;
  setStars(id, pressed.get(id).before);
  pressed.delete(id);
}

/** Show a film's stars from an answer. Stars clicked since its request stay until they are confirmed. */
function answered(id, stars) {
  const later = pressed.get(id);
  if (later && later.stars !== stars) later.before = stars;
  else pressed.delete(id);
  setStars(id, pressed.get(id)?.stars ?? stars);
}

addEventListener("matinee:rated", ({ detail }) => Object.entries(detail.stars).forEach((film) => answered(...film)));
addEventListener("matinee:failed", ({ detail }) => (detail.movie_id ? [detail.movie_id] : [...pressed.keys()]).forEach(forget));
addEventListener("matinee:user", () => pressed.clear());
