// The wall of posters: one click on a star rates a film.

import { draw, html } from "./html.js";
import { filmAddress, listenToStars, plural, poster, starButtons } from "./films.js";

const card = (film) => html`<li class="card" data-movie="${film.movie_id}">
  <a href="${filmAddress(film.movie_id)}" data-go data-key="film-${film.movie_id}">${poster(film)}<span class="name">${film.title}</span></a>
  <p class="meta">${film.year}</p>
  ${starButtons(film, film.rating)}
</li>`;

function films(value) {
  const more = value.next !== null && value.next !== undefined;
  return html`
    ${value.items.length > 0
      ? html`<ul class="posters wall" aria-label="Films to rate">${value.items.map(card)}</ul>`
      : html`<p class="empty">${value.title ? "No film has this title." : "You have rated them all!"}</p>`}
    <p class="more">
      ${more && html`<button type="button" class="plain" data-key="more" data-offset="${value.next}">More films</button>`}
      ${(value.title || value.offset > 0) && html`<button type="button" class="plain" data-key="known" data-offset="0">Back to the best known</button>`}
    </p>`;
}

const FRAME = html`<section aria-labelledby="wall-title">
  <h2 id="wall-title">Rate a few films</h2>
  <p class="quiet small halves">Press the same star again for half a star less.</p>
  <form class="find" role="search" aria-label="Find a film to rate">
    <input type="search" maxlength="200" placeholder="A film you know…" aria-label="Title of a film to rate" autocomplete="off" />
    <button class="plain">Find</button>
  </form>
  <p class="seen-not" role="status"></p>
  <div class="films"></div>
</section>`;

export function mount(view) {
  const { root, trigger } = view;
  const fire = (event, args) => window.matinee.fire(trigger, event, args);
  root.hidden = true;
  root.innerHTML = FRAME;
  const list = root.querySelector(".films");
  const find = root.querySelector("input");

  listenToStars(root, (movie_id, stars) => fire("rate", { movie_id, stars }));
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    fire("wall", { offset: 0, title: find.value });
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-offset]");
    if (!button) return;
    find.value = "";
    fire("wall", { offset: Number(button.dataset.offset), title: "" });
  });
  const drawList = (value) => {
    root.hidden = !value.items && !value.error;
    return value.items ? films(value) : "";
  };
  const said = (_, value) => {
    if (!value.items) return;
    if (document.activeElement !== find) find.value = value.title ?? "";
    root.querySelector("[role=status]").textContent = `${plural(value.items.length, "film")} to rate`;
  };
  draw({ ...view, root: list }, drawList, said);
}
