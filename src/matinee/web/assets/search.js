// Search: a field, what was understood as chips that can be taken off, filters, and finding by picture.

import { ask } from "./ask.js";
import { stateButtons, listenToCards } from "./cards.js";
import { filmAddress, named, poster, starless } from "./films.js";
import { filterBar, listenToFilters } from "./filters.js";
import { html, trouble } from "./html.js";
import { can, ready } from "./marks.js";
import { said as saidOf } from "./reasons.js";
import { genreName, t } from "./strings.js";

const EXAMPLES = ["slow-burn heist in the rain", "starr warrs", "robots who learn to love", "two friends on the road", "ghosts in an old house"];
const WAYS = ["both", "title", "meaning"];
const SORTS = ["", "best", "newest", "oldest", "title"];
const MOST = 60;

const searchAddress = (params) => {
  const given = new URLSearchParams({ tab: "search" });
  for (const [name, value] of Object.entries(params)) if (value !== "" && value !== null && value !== undefined && value !== false) given.set(name, value === true ? "1" : value);
  return `?${given}`;
};

const example = (text) => html`<li><a class="plain" href="${searchAddress({ q: text })}" data-go>${text}</a></li>`;
const beginning = () => html`<h2>${t("search.begin")}</h2><p class="quiet">${t("search.begin.how")}</p><ul class="examples" lang="en">${EXAMPLES.map(example)}</ul>`;

const rated = (film) => (!film.ratings ? t("search.unrated") : starless() ? t("search.seen", { count: film.ratings }) : t("search.rated", { count: film.ratings, mean: film.mean.toFixed(1) }));
const how = (film) => {
  if (film.similarity !== undefined && film.similarity !== null) return t("search.alike", { percent: Math.round(100 * film.similarity) });
  return film.how ? html`<b>${t(`search.by.${film.matched}`)}</b> ${saidOf(film.how)}` : film.ratings === undefined ? "" : rated(film);
};

const result = (film) => html`<li class="result" data-movie="${film.movie_id}" data-title="${film.title}"><a href="${filmAddress(film.movie_id)}" data-go data-key="film-${film.movie_id}">${poster(film)}
  <span class="words"><span class="name">${named(film)}</span>
  <span class="meta">${(film.genres || []).map(genreName).join(", ")}</span>
  <span class="how">${how(film)}</span></span></a>
  ${can.states && html`<div class="acts" role="group" aria-label="${t("card.actions", { title: film.title })}">${stateButtons(film)}</div>`}</li>`;

function heading({ q, filter, sort, items, total }) {
  const count = total ?? items.length;
  const films = t("search.count", { count });
  if (q) return t(filter ? "search.for.where" : "search.for", { films, q, filter });
  if (!filter) return films;
  return t("search.where", { films, filter }) + (count > items.length ? t(sort ? "search.first" : "search.most", { number: items.length }) : "");
}

const nothing = ({ q, filter }) => html`<p class="empty">${filter ? t("search.none.filter") : t("search.none", { q })}</p>`;

/** Parts that the core has read out of the text; each can be taken off. */
function chips({ understood }) {
  const parts = understood?.parts ?? [];
  if (!parts.length) return "";
  return html`<div class="chips" role="group" aria-label="${t("search.understood")}"><span class="quiet small">${t("search.understood")}</span>
    ${parts.map((part, place) => html`<button type="button" class="chip" data-chip="${place}" data-key="chip-${place}" aria-label="${t("search.without", { label: saidOf(part.label) })}">${saidOf(part.label)}<span aria-hidden="true"> ✕</span></button>`)}
    <button type="button" class="plain small" data-plain data-key="plain">${t("search.plain")}</button></div>`;
}

const suggested = ({ suggestions, items }) => suggestions?.length > 0 && !items?.length && html`<p class="suggested">${t("search.meant")} ${suggestions.slice(0, 5).map((one) => {
  const film = typeof one === "string" ? { title: one } : one;
  return html`<a href="${film.movie_id ? filmAddress(film.movie_id) : searchAddress({ q: film.title })}" data-go>${named(film)}</a> `;
})}</p>`;

function results(value) {
  if (value.items === null || value.items === undefined) return beginning();
  const more = !value.picture && value.items.length >= value.n && value.n < MOST;
  return html`${chips(value)}<h2 dir="auto">${value.picture ? t("search.picture.found") : heading(value)}</h2>
    ${value.items.length ? html`<ol class="results">${value.items.map(result)}</ol>` : nothing(value)}${suggested(value)}
    ${more && html`<p class="more"><button type="button" class="plain" data-more data-key="more">${t("search.more")}</button></p>`}`;
}

const ways = (by) => html`<fieldset class="ways"><legend>${t("search.way")}</legend>${WAYS.map((way) => html`<label><input type="radio" name="by" value="${way}"${way === by && html` checked`} data-key="by-${way}" /> <span>${t(`search.way.${way}`)}</span></label>`)}</fieldset>`;

const FRAME = () => html`<form class="search-line" role="search"><label for="search-text">${t("search.label")}</label>
    <div class="line"><input id="search-text" type="search" autocomplete="off" placeholder="${EXAMPLES[0]}" /><button class="plain strong">${t("search.go")}</button>
    <button type="button" class="plain" data-picture>${t("search.picture")}</button></div>
    <input class="seen-not" type="file" accept="image/*" tabindex="-1" aria-label="${t("search.picture.file")}" /></form>
  <div class="bar"></div><p class="seen-not" role="status"></p><div class="search"></div>`;

export function mount({ root, props, watch }) {
  const { matinee } = window;
  root.innerHTML = String(FRAME());
  const [box, file, bar, said, sheet] = ["#search-text", "input[type=file]", ".bar", "[role=status]", ".search"].map((one) => root.querySelector(one));
  let state = {};
  let shown = {};
  let facets = {};
  let pictures = 0;

  const params = (given) => {
    const { q, by, filter, n, sort, plain } = { ...state, ...given };
    return { q: q.length <= 500 ? q : "", by: by === "both" ? "" : by, filter, n: n === 12 ? "" : n, sort, plain };
  };
  const go = (given) => {
    root.classList.add("waiting");
    if (given.q?.length > 500) return draw({ ...state, ...given, error: { own: true, title: t("error.long", { length: given.q.length, most: 500 }), hint: t("error.long.hint") } });
    matinee.go(searchAddress(params(given)));
  };
  const keep = (work) => {
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    work();
    if (focused) (root.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? sheet.querySelector("h2"))?.focus({ preventScroll: true });
  };
  const drawBar = () => {
    const open = bar.querySelector("details")?.open || (state.by ?? "both") !== "both";
    bar.innerHTML = String(filterBar("search", facets, state.filter ?? "", { sorts: state.q ? [] : SORTS, sort: state.sort, more: ways(state.by ?? "both"), open }));
  };
  const draw = (value) => {
    shown = value;
    root.classList.remove("waiting");
    keep(() => {
      drawBar();
      sheet.innerHTML = String(value.error ? trouble(value.error) : results(value));
    });
    said.textContent = value.error ? "" : value.picture ? t("search.picture.found") : value.items ? heading(value) : "";
  };
  const show = () => {
    const value = props.value;
    if (!value || typeof value !== "object") return;
    pictures++;
    state = { q: value.q ?? "", by: value.by ?? "both", filter: value.filter ?? "", n: value.n ?? 12, sort: value.sort ?? "", plain: value.plain ?? false };
    facets = value.facets ?? facets;
    if (document.activeElement !== box || box.value.trim() !== state.q) box.value = state.q;
    draw(value);
  };

  root.querySelector(".search-line").addEventListener("submit", (event) => {
    event.preventDefault();
    go({ q: box.value.trim(), n: 12, plain: false });
  });
  listenToFilters(bar, (filter, sort, form) => go({ filter, sort, by: new FormData(form).get("by") ?? "both", q: box.value.trim(), n: 12 }));
  root.addEventListener("click", (event) => {
    if (event.target.closest("[data-more]")) go({ n: Math.min(MOST, 2 * state.n) });
    if (event.target.closest("[data-plain]")) go({ plain: true });
    const chip = event.target.closest("[data-chip]");
    if (chip) {
      const { text = "", parts } = shown.understood;
      const left = parts.filter((_, place) => place !== Number(chip.dataset.chip)).map((part) => part.filter ?? part.expression).filter(Boolean);
      go({ q: text, filter: [state.filter, ...left].filter(Boolean).map((one) => (/\bor\b/i.test(one) ? `(${one})` : one)).join(" and "), plain: true });
    }
    if (event.target.closest("[data-picture]")) file.click();
  });

  const look = async (picture) => {
    const mine = ++pictures;
    root.classList.add("waiting");
    said.textContent = t("search.picture.reading");
    const answer = await ask("picture", { n: 12 }, picture);
    if (mine === pictures) draw({ ...answer, picture: true, q: "" });
  };
  file.addEventListener("change", () => {
    if (file.files[0]) look(file.files[0]);
    file.value = "";
  });
  addEventListener("paste", (event) => {
    const [picture] = event.clipboardData.files;
    if (picture && root.checkVisibility()) look(picture);
  });
  addEventListener("dragover", (event) => root.checkVisibility() && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!root.checkVisibility()) return;
    event.preventDefault();
    if (event.dataTransfer.files[0]) look(event.dataTransfer.files[0]);
  });
  addEventListener("matinee:failed", () => root.classList.remove("waiting"));
  listenToCards(sheet);
  watch("value", show);
  show();
  // Marks are not needed for the results, and come when they are there.
  ready().then(() => props.value && show());
}
