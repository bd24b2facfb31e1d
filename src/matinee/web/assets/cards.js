// A film's card with its actions: stars, watchlist, seen, not interested, more like this.

import { html } from "./html.js";
import { filmAddress, listenToStars, named, poster, starButtons, starless } from "./films.js";
import { actAndTell, can, isIn, starsOf } from "./marks.js";
import { reason } from "./reasons.js";
import { t } from "./strings.js";

const ICONS = {
  watchlist: "M6 3h12v18l-6-4.6L6 21z",
  seen: "M2 12c3-5 6.5-7 10-7s7 2 10 7c-3 5-6.5 7-10 7s-7-2-10-7zm10-3.3a3.3 3.3 0 1 0 0 6.6 3.3 3.3 0 0 0 0-6.6z",
  not_interested: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM6 6l12 12",
  like: "M4 8h11v12H4zM9 8V4h11v12h-5",
};
const icon = (name) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d="${ICONS[name]}"/></svg>`;

/** Buttons of a film's states; nothing where the core has none. */
export const stateButtons = (film, words = false) =>
  can.states && ["watchlist", "seen", "not_interested"].map((state) => html`<button type="button" class="act" data-act="${state}"
    data-key="${state}-${film.movie_id}" aria-pressed="${String(isIn(state, film.movie_id))}"
    aria-label="${t(`act.${state}`, { title: film.title })}" title="${t(`act.${state}.short`)}">${icon(state)}${words && html`<span>${t(`act.${state}.short`)}</span>`}</button>`);

const likeButton = (film) => html`<button type="button" class="act" data-like="${film.movie_id}" data-key="like-${film.movie_id}"
  aria-label="${t("act.like", { title: film.title })}" title="${t("act.like.short")}">${icon("like")}</button>`;

const expected = (film) => film.stars && !starless() && html`<span class="expected"><b>★ ${film.stars.toFixed(1)}</b><span class="seen-not"> ${t("card.expected")}</span></span>`;

/** A card of a list. */
export const card = (film, { why = reason(film), like = true } = {}) => html`<li class="card tile" data-movie="${film.movie_id}" data-title="${film.title}">
  <a href="${filmAddress(film.movie_id)}" data-go data-key="film-${film.movie_id}">${poster(film)}<span class="name">${named(film)}</span></a>
  ${expected(film)}
  <p class="why">${why}</p>
  <div class="foot">${starButtons(film, starsOf(film.movie_id))}
  <div class="acts" role="group" aria-label="${t("card.actions", { title: film.title })}">${stateButtons(film)}${like && likeButton(film)}</div></div>
</li>`;

const GOING = new Set(["seen", "not_interested"]); // films in these states are not recommended
const homes = new WeakMap(); // removed card → where it was

/** Take a film's cards off the lists in `root`. The focus goes to the same button of the next card. */
function remove(root, id) {
  const cards = [...root.querySelectorAll(`.tile[data-movie="${CSS.escape(id)}"]`)].filter((one) => one.closest("[data-goes]"));
  for (const gone of cards) {
    const focused = gone.contains(document.activeElement) ? document.activeElement : null;
    const heir = gone.nextElementSibling ?? gone.previousElementSibling;
    homes.set(gone, { list: gone.parentElement, next: gone.nextElementSibling });
    gone.remove();
    if (!focused) continue;
    const same = focused.dataset.act ? heir?.querySelector(`[data-act="${focused.dataset.act}"]`) : null;
    (same ?? heir?.querySelector("a") ?? root.querySelector("h2"))?.focus({ preventScroll: true });
  }
  return cards;
}

function bring(cards) {
  for (const back of cards) {
    const { list, next } = homes.get(back);
    list.insertBefore(back, next?.parentElement === list ? next : null);
  }
  cards[0]?.querySelector("a")?.focus({ preventScroll: true });
  cards.forEach((one) => refresh(one.parentElement ?? one));
}

const filmOf = (element) => {
  const { movie, title } = element.closest("[data-movie][data-title]").dataset;
  return { movie_id: movie, title };
};

/** Handle the buttons of states in `root`. */
export function listenToActs(root) {
  root.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-act]");
    if (!button) return;
    const film = filmOf(button);
    const [action, value] = [button.dataset.act, button.getAttribute("aria-pressed") !== "true"];
    const cards = value && GOING.has(action) ? remove(root, film.movie_id) : [];
    if (!(await actAndTell(film, action, value, () => bring(cards)))) bring(cards);
  });
}

/** Handle the buttons of all cards in `root`. `like(film, button)`: what "more like this" does. */
export function listenToCards(root, { like = ({ movie_id }) => window.matinee.go(filmAddress(movie_id)) } = {}) {
  listenToActs(root);
  listenToStars(root, (movie_id, stars, group) => actAndTell({ movie_id, title: group.dataset.title }, "rating", stars));
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-like]");
    if (button) like(filmOf(button), button);
  });
}

/** Show the marks of films in `root` as they are now. */
export function refresh(root = document) {
  for (const button of root.querySelectorAll("[data-act]")) {
    const id = button.closest("[data-movie][data-title]")?.dataset.movie;
    if (id) button.setAttribute("aria-pressed", String(isIn(button.dataset.act, id)));
  }
}

addEventListener("matinee:marked", () => refresh());
