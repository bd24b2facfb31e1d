// A user's recommendations: poster, predicted stars, reason. Films that stay keep their picture and glide to their new position.

import { draw, html } from "./html.js";
import { filmAddress, plural, poster } from "./films.js";

const GLIDE = { duration: 320, easing: "ease-out" };
const calm = matchMedia("(prefers-reduced-motion: reduce)");

// Films without a reason of their own are explained once, above the list.
const why = (film) => (film.because?.length ? html`<p class="why">${film.reason}</p>` : "");

const lessOf = (films) =>
  films?.length > 0 && html`<p class="quiet small less-of">Less of: ${films.map((film) => film.title).join(" · ")}</p>`;

const meta = (film) => [film.year, (film.genres ?? []).slice(0, 3).join(", ")].filter(Boolean).join(" · ");

const pick = (film) => html`<li class="card pick" data-movie="${film.movie_id}">
  <a href="${filmAddress(film.movie_id)}" data-go data-key="pick-${film.movie_id}">${poster(film)}<span class="name">${film.title}</span></a>
  <p class="meta">${meta(film)}</p>
  ${typeof film.stars === "number" && html`<span class="expected"><b>★ ${film.stars.toFixed(1)}</b> expected<span class="seen-not"> for you</span></span>`}
  ${why(film)}
</li>`;

function lead(value) {
  if (!value.items.length) return html`<p class="empty">No film is left. Loosen the filter, and there will be more to choose from.</p>`;
  if (value.fallback) return html`<p class="lead">You have not rated anything yet: these are what most people like.</p>`;
  return "";
}

const page = (value) => html`<section aria-labelledby="picks-title">
  <h2 id="picks-title">Picked for you</h2>
  <div role="status">${lead(value)}<span class="seen-not">${plural(value.items.length, "film")}${value.items[0] && `, first ${value.items[0].title}`}</span></div>
  ${value.items.length > 0 && html`<ol class="posters picks" aria-label="Films picked for you">${value.items.map(pick)}</ol>`}
  ${lessOf(value.less_of)}
</section>`;

const cards = (root) => new Map([...root.querySelectorAll(".pick")].map((card) => [card.dataset.movie, card]));

/** Positions and pictures of the cards before a redraw. */
function before(root) {
  return new Map([...cards(root)].map(([id, card]) => [id, { box: card.getBoundingClientRect(), picture: card.querySelector("img") }]));
}

function glide(root, was) {
  for (const [id, card] of cards(root)) {
    const old = was.get(id);
    if (old?.picture) card.querySelector("img").replaceWith(old.picture);
    if (calm.matches || !was.size) continue;
    const box = card.getBoundingClientRect();
    const [x, y] = old ? [old.box.x - box.x, old.box.y - box.y] : [0, 0];
    // Only the picture of a new film fades in, because pale text would have too little contrast.
    if (!old) card.querySelector("img").animate([{ opacity: 0, transform: "scale(.94)" }, {}], GLIDE);
    else if (x || y) card.animate([{ transform: `translate(${x}px, ${y}px)` }, {}], GLIDE);
  }
}

/** A button that scrolls up to the list after it has changed out of view. */
function scrollButton(root) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", className: "plain strong changed", textContent: "Your list has changed ↑", hidden: true });
  button.addEventListener("click", () => root.scrollIntoView({ behavior: calm.matches ? "auto" : "smooth", block: "start" }));
  root.after(button);
  new IntersectionObserver(([entry]) => entry.isIntersecting && (button.hidden = true)).observe(root);
  return () => {
    button.hidden = root.getBoundingClientRect().bottom > 0;
  };
}

export function mount(view) {
  const offer = scrollButton(view.root);
  let was = new Map();
  const drawn = (value) => {
    was = before(view.root);
    return page(value);
  };
  draw(view, drawn, (root, value) => {
    if (!value.items) return;
    glide(root, was);
    offer();
  });
}
