// The first page: five films to begin with, or an export; then rows of films, each asked for when it comes near.

import { ask } from "./ask.js";
import { bringPanel, mountBring } from "./bring.js";
import { card, listenToCards } from "./cards.js";
import { filterBar, listenToFilters } from "./filters.js";
import { named, poster } from "./films.js";
import { html, inOneLine, trouble } from "./html.js";
import { act, actAndTell, can, start, starsOf } from "./marks.js";
import { genreName, t } from "./strings.js";

const WANTED = 5; // films to begin with
const NEAR = "700px"; // distance from the window at which a row is asked for
const FEW = 5; // films that a row keeps at least when those of other rows are left out
const SORTS = ["", "newest", "oldest", "stars", "title"];
const ORDERS = {
  newest: (a, b) => (b.year ?? 0) - (a.year ?? 0),
  oldest: (a, b) => (a.year ?? 9999) - (b.year ?? 9999),
  stars: (a, b) => (b.stars ?? 0) - (a.stars ?? 0),
  title: (a, b) => a.title.localeCompare(b.title),
};

// --- first visit -----------------------------------------------------------------------------------------------
const pickCard = (film, on) => html`<li><button type="button" class="pickable" aria-pressed="${String(on)}" data-pick="${film.movie_id}" data-key="pick-${film.movie_id}"
  data-title="${film.title}">${poster(film)}<span class="tick" aria-hidden="true">✓</span><span class="name">${named(film)}</span></button></li>`;

const welcome = (again) => html`<section class="welcome" aria-labelledby="welcome-title">
  <div class="lead-in"><h2 id="welcome-title" tabindex="-1">${t(again ? "welcome.again" : "welcome.title")}</h2>
  <p class="quiet">${t("welcome.how")}</p></div>
  <div class="ways">
    <form class="find" role="search"><input type="search" maxlength="200" placeholder="${t("welcome.find")}" aria-label="${t("welcome.find.label")}" autocomplete="off" />
    <button class="plain">${t("welcome.find.go")}</button></form>
    ${can.import && html`<button type="button" class="plain" data-bring aria-expanded="false" aria-controls="bring">${t("bring.open")}</button>`}
  </div>
  ${bringPanel()}
  <ul class="posters pickables" aria-label="${t("welcome.wall")}"></ul>
  <p class="more"><button type="button" class="plain" data-more hidden>${t("welcome.more")}</button></p>
  <div class="tray"><p role="status"></p><button type="button" class="plain strong" data-show disabled>${t("welcome.show")}</button></div>
</section>`;

function mountWelcome(root, scale, again, done) {
  root.innerHTML = String(welcome(again));
  const [list, more, show, said] = [".pickables", "[data-more]", "[data-show]", ".tray p"].map((one) => root.querySelector(one));
  const picked = new Map();
  let page = 0;
  const tell = () => {
    said.textContent = picked.size >= WANTED ? t("welcome.enough", { count: picked.size }) : t("welcome.count", { picked: picked.size, wanted: WANTED });
    show.disabled = picked.size === 0;
    root.querySelector(".tray").classList.toggle("ready", picked.size >= WANTED);
  };
  const draw = (items, anew) => {
    if (anew) list.innerHTML = "";
    const there = new Set([...list.querySelectorAll("[data-pick]")].map((one) => one.dataset.pick));
    const holder = document.createElement("ul");
    holder.innerHTML = String(html`${items.filter((film) => !there.has(film.movie_id)).map((film) => pickCard(film, picked.has(film.movie_id) || starsOf(film.movie_id) !== null))}`);
    list.append(...holder.children);
  };
  const load = async () => {
    const answer = await ask("wall", { page });
    if (!root.contains(list)) return;
    if (answer.error) return void (root.innerHTML = String(trouble(answer.error)));
    draw(answer.items, false);
    more.hidden = answer.next === null;
    page = answer.next ?? page;
    root.dataset.shown = "wall";
  };
  more.addEventListener("click", async () => {
    const last = list.lastElementChild;
    await load();
    last?.nextElementSibling?.querySelector("button")?.focus();
  });
  list.addEventListener("click", (event) => {
    const button = event.target.closest("[data-pick]");
    if (!button) return;
    const film = { movie_id: button.dataset.pick, title: button.dataset.title };
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    const stored = act(film, "rating", on ? (scale?.[1] ?? 5) : null).then((answer) => {
      if (answer) return;
      button.setAttribute("aria-pressed", String(!on));
      picked.delete(film.movie_id);
      tell();
    });
    if (on) picked.set(film.movie_id, stored);
    else picked.delete(film.movie_id);
    tell();
  });
  root.querySelector(".find").addEventListener("submit", async (event) => {
    event.preventDefault();
    const q = root.querySelector(".find input").value.trim();
    if (!q) return;
    const answer = await ask("search", { q, by: "title", n: 12 });
    if (answer.error || !answer.items?.length) return void (said.textContent = answer.error ? inOneLine(answer.error) : t("welcome.none", { q }));
    const found = new Set(answer.items.map((film) => film.movie_id));
    const kept = [...list.children].filter((one) => !found.has(one.querySelector("[data-pick]").dataset.pick));
    draw(answer.items, true);
    list.append(...kept);
    said.textContent = t("welcome.found", { count: answer.items.length });
    list.querySelector("button")?.focus({ preventScroll: true });
  });
  show.addEventListener("click", async () => {
    show.disabled = true;
    await Promise.all(picked.values());
    done();
  });
  mountBring(root, done);
  tell();
  load();
}

// --- rows ------------------------------------------------------------------------------------------------------
function heading(row) {
  const name = row.kind === "genre" ? genreName(row.name) : row.kind === "decade" ? t("decade", { decade: row.name }) : row.name;
  return t(`row.${row.kind}`, { name });
}

const skeleton = html`${Array.from({ length: 8 }, () => html`<li class="ghost" aria-hidden="true"></li>`)}`;

const shelf = (row, id) => html`<section class="shelf" data-kind="${row.kind}" data-value="${row.value}" aria-labelledby="${id}">
  <div class="shelf-head"><h2 id="${id}" tabindex="-1">${heading(row)}</h2><p class="quiet small note"></p>
    ${row.closes && html`<button type="button" class="plain" data-close>${t("row.close")}</button>`}
    <span class="arrows" role="group" aria-label="${t("row.scroll", { name: heading(row) })}"><button type="button" class="arrow" data-scroll="-1" aria-label="${t("row.back")}">‹</button><button type="button" class="arrow" data-scroll="1" aria-label="${t("row.on")}">›</button></span></div>
  <ul class="strip" data-goes aria-labelledby="${id}" aria-busy="true">${skeleton}</ul>
</section>`;

let numbers = 0;

class Rows {
  constructor(root, user) {
    Object.assign(this, { root, user, shown: new Map(), asked: new Map() });
    this.watch = new IntersectionObserver(
      (entries) => entries.filter((one) => one.isIntersecting).forEach((one) => {
        this.watch.unobserve(one.target);
        this.load(one.target);
      }),
      { rootMargin: NEAR },
    );
  }

  /** The section of a row, which is asked for when it comes near. */
  add(row, place = null) {
    const holder = document.createElement("div");
    holder.innerHTML = String(shelf(row, `row-${++numbers}`));
    const section = holder.firstElementChild;
    this.root.insertBefore(section, place);
    this.watch.observe(section);
    return section;
  }

  async load(section) {
    const { kind, value } = section.dataset;
    const at = (this.asked.get(section) ?? 0) + 1;
    this.asked.set(section, at);
    const answer = await ask("row", { user: this.user, kind, value });
    if (this.asked.get(section) !== at || !section.isConnected) return;
    const list = section.querySelector(".strip");
    list.removeAttribute("aria-busy");
    if (answer.error) {
      list.outerHTML = String(trouble(answer.error));
      return;
    }
    const others = new Set([...this.shown].filter(([one]) => one !== section && one.isConnected && kind !== "watchlist").flatMap(([, ids]) => ids));
    const fresh = answer.items.filter((film) => !others.has(film.movie_id));
    const items = fresh.length >= FEW ? fresh : answer.items;
    section.hidden = !items.length;
    section.querySelector(".note").textContent = answer.fallback ? t("row.fallback") : "";
    this.draw(section, list, items);
    this.shown.set(section, [...list.querySelectorAll(".tile")].slice(0, 8).map((one) => one.dataset.movie));
    this.root.dataset.shown = String([...this.root.querySelectorAll(".shelf .tile")].length);
  }

  /** Draw a list; films that were rated since stay where they are, so that nothing moves under a finger. */
  draw(section, list, items) {
    const there = [...list.querySelectorAll(".tile")];
    const kept = there.map((one, place) => [one, place]).filter(([one]) => starsOf(one.dataset.movie) !== null || one.contains(document.activeElement));
    const ids = new Set(kept.map(([one]) => one.dataset.movie));
    const why = section.dataset.kind === "because" ? () => ({ why: "" }) : () => ({});
    const holder = document.createElement("ul");
    holder.innerHTML = String(html`${items.filter((film) => !ids.has(film.movie_id)).map((film) => card(film, why(film)))}`);
    const drawn = [...holder.children];
    for (const [one, place] of kept) drawn.splice(Math.min(place, drawn.length), 0, one);
    if (!kept.length) return list.replaceChildren(...drawn);
    // A node that moves loses the focus: only those around the kept ones are replaced.
    for (const one of [...list.children]) if (!ids.has(one.dataset.movie)) one.remove();
    drawn.forEach((one, place) => {
      if (list.children[place] !== one) ids.has(one.dataset.movie) || list.insertBefore(one, list.children[place] ?? null);
    });
  }

  /** Ask again for a row that a rating has changed. */
  again(kind) {
    const section = this.root.querySelector(`.shelf[data-kind="${kind}"]`);
    if (section && this.asked.has(section)) this.load(section);
  }

  end() {
    this.watch.disconnect();
    this.asked.clear();
  }
}

const frame = (data, filter, sort) => html`<div class="tonight-head">
    ${filterBar("tonight", data.filters, filter, { sorts: filter ? SORTS : [], sort })}
  </div>
  <div class="shelves"></div>
  <div class="after"><button type="button" class="plain" data-pick-more>${t("tonight.pick")}</button>
    ${can.import && html`<button type="button" class="plain" data-bring aria-expanded="false" aria-controls="bring">${t("bring.open")}</button>`}</div>
  ${bringPanel()}`;

/** One list of what a filter allows, in the order that was chosen. */
async function narrowed(root, user, filter, sort) {
  root.innerHTML = String(html`<section class="shelf all" aria-labelledby="narrowed"><h2 id="narrowed" tabindex="-1">${t("tonight.narrowed")}</h2>
    <ul class="posters" data-goes aria-busy="true">${skeleton}</ul></section>`);
  const answer = await ask("row", { user, kind: "for-you", filter, n: 60 });
  const list = root.querySelector(".posters");
  if (!list) return;
  if (answer.error) return void (root.innerHTML = String(trouble(answer.error)));
  const items = ORDERS[sort] ? [...answer.items].sort(ORDERS[sort]) : answer.items;
  list.removeAttribute("aria-busy");
  list.innerHTML = String(html`${items.map((film) => card(film))}`);
  if (!items.length) list.outerHTML = String(html`<p class="empty">${t("tonight.none")}</p>`);
  root.dataset.shown = String(items.length);
}

export function mount({ root, props, watch }) {
  const { matinee } = window;
  root.innerHTML = '<div class="tonight"></div>';
  const page = root.firstElementChild;
  let rows = null;
  let drawn = 0;
  let arriving = false; // the button that had the focus is gone with the wall
  let state = { user: "", filter: "", sort: "" };

  const address = ({ user, filter = "", sort = "", pick = "" }) => {
    const params = new URLSearchParams({ tab: "tonight", user });
    for (const [name, value] of Object.entries({ filter, sort, pick })) if (value) params.set(name, value);
    return `?${params}`;
  };

  const show = async () => {
    const value = props.value;
    if (!value || typeof value !== "object") return;
    const mine = ++drawn;
    const user = value.user || matinee.args.user;
    const focused = document.activeElement?.closest?.("#tonight") ? document.activeElement.dataset.key : null;
    const same = state.user === user && page.querySelector(".shelves");
    if (!same) page.innerHTML = String(html`<div class="loading"><ul class="strip" aria-hidden="true">${skeleton}</ul><p class="seen-not" role="status">${t("loading")}</p></div>`);
    const data = await start(user);
    if (mine !== drawn) return;
    rows?.end();
    rows = null;
    delete page.dataset.shown;
    if (data.error) return void (page.innerHTML = String(trouble(data.error)));
    state = { user, filter: value.filter ?? "", sort: value.sort ?? "" };
    if (value.pick || !data.known) {
      mountWelcome(page, data.scale, data.known > 0, () => {
        arriving = true;
        matinee.go(address({ user }));
        dispatchEvent(new CustomEvent("matinee:list"));
      });
      return;
    }
    page.innerHTML = String(frame(data, state.filter, state.sort));
    mountBring(page, () => matinee.go(address({ user })));
    if (focused) page.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    const shelves = page.querySelector(".shelves");
    if (state.filter) return narrowed(shelves, user, state.filter, state.sort);
    rows = new Rows(shelves, user);
    for (const row of data.rows) rows.add(row);
    if (arriving) page.querySelector(".shelf h2")?.focus({ preventScroll: true });
    arriving = false;
  };

  listenToFilters(page, (filter, sort) => matinee.go(address({ ...state, filter, sort: filter ? sort : "" })));
  listenToCards(page, {
    like: (film, button) => {
      if (!rows) return matinee.go(`?tab=film&film=${encodeURIComponent(film.movie_id)}`);
      const section = button.closest(".shelf");
      const there = page.querySelector(`.shelf.like[data-value="${CSS.escape(film.movie_id)}"]`);
      const row = there ?? rows.add({ kind: "because", value: film.movie_id, name: film.title, closes: true }, section.nextElementSibling);
      row.classList.add("like");
      row.querySelector("h2").textContent = t("row.like", { name: film.title });
      row.querySelector("h2").focus({ preventScroll: true });
      row.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    },
  });
  page.addEventListener("click", (event) => {
    const step = event.target.closest("[data-scroll]");
    if (step) {
      const list = step.closest(".shelf").querySelector(".strip");
      list?.scrollBy({ left: Number(step.dataset.scroll) * list.clientWidth * 0.85, behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    }
    const close = event.target.closest("[data-close]");
    if (close) {
      const section = close.closest(".shelf");
      const before = section.previousElementSibling;
      section.remove();
      before?.querySelector(`[data-like="${CSS.escape(section.dataset.value)}"]`)?.focus({ preventScroll: true });
    }
    if (event.target.closest("[data-pick-more]")) matinee.go(address({ ...state, filter: "", sort: "", pick: 1 }));
  });
  let later = 0;
  addEventListener("matinee:marked", ({ detail }) => {
    if (!rows || !page.checkVisibility()) return;
    clearTimeout(later);
    later = setTimeout(() => rows?.again(detail.action === "watchlist" ? "watchlist" : "for-you"), 600);
  });
  watch("value", show);
  show();
}
