// A film's page. The first value has its facts; the visitor's rating and prediction follow as `{movie_id, yours, ratings}`
// and are added to the page.

import { listenToActs, refresh, stateButtons } from "./cards.js";
import { draw, html, trouble } from "./html.js";
import { filmAddress, forget, hint, listenToStars, named, poster, starButtons, starless, starsFrom } from "./films.js";
import { can, ready } from "./marks.js";
import { reason } from "./reasons.js";
import { genreName, locale, t } from "./strings.js";

const NAMES = 10; // shown of a long list before it is opened
const LONG = 1200; // characters shown of an overview before it is opened

const quoted = (text) => `"${text.replace(/[\\"]/g, "\\$&")}"`;
const filterAddress = (field, text) => `?tab=search&filter=${encodeURIComponent(`${field} = ${quoted(text)}`)}`;
const link = (field) => (name) => html`<li><a href="${filterAddress(field, name)}" data-go>${field === "genre" ? genreName(name) : name}</a></li>`;

function fact(label, field, names) {
  if (!names?.length) return null;
  const [first, rest] = [names.slice(0, NAMES), names.slice(NAMES)];
  return html`<div><dt>${label}</dt><dd><ul class="names">${first.map(link(field))}</ul>
    ${rest.length > 0 && html`<details><summary>${t("film.and_more", { count: rest.length })}</summary><ul class="names">${rest.map(link(field))}</ul></details>`}
  </dd></div>`;
}

function overview(text) {
  if (text.length <= LONG) return html`<p class="overview" dir="auto">${text}</p>`;
  const signs = Array.from(text); // does not split surrogate pairs
  return html`<p class="overview" dir="auto">${signs.slice(0, LONG).join("")}…</p>
    <details><summary>${t("film.read_on")}</summary><p class="overview" dir="auto">…${signs.slice(LONG).join("")}</p></details>`;
}

const outside = (address, name) =>
  address && html`<a href="${address}" target="_blank" rel="noopener noreferrer">${name}<span class="seen-not">${t("film.links.new_tab")}</span></a>`;

function facts({ film }) {
  const elsewhere = [
    outside(film.imdb, "IMDb"),
    outside(film.tmdb, "TMDB"),
    outside(film.justwatch, t("film.links.justwatch")),
    outside(film.trailer, t("film.links.trailer")),
  ].filter(Boolean);
  return html`<article class="film">
    <div class="film-poster">${poster(film, { small: false, alt: t("film.poster_of", { title: film.title }) })}</div>
    <div class="film-facts">
      <h2 tabindex="-1" dir="auto">${named(film)}</h2>
      ${film.genres?.length > 0 && html`<ul class="genres" aria-label="${t("film.genres")}">${film.genres.map(link("genre"))}</ul>`}
      <div class="yours" aria-live="polite"></div>
      ${can.states && html`<div class="acts wide" role="group" aria-label="${t("card.actions", { title: film.title })}" data-movie="${film.movie_id}" data-title="${film.title}">${stateButtons(film, true)}</div>`}
      ${film.overview && overview(film.overview)}
      <dl>
        ${fact(t("film.directors"), "director", film.directors)}
        ${fact(t("film.writers"), "writer", film.writers)}
        ${fact(t("film.cast"), "cast", film.cast)}
        ${fact(t("film.countries"), "country", film.countries)}
        ${fact(t("film.languages"), "language", film.languages)}
        ${fact(t("film.tags"), "tag", film.tags)}
        ${fact(t("film.keywords"), "keyword", film.keywords)}
      </dl>
      ${elsewhere.length > 0 && html`<p class="elsewhere">${t("film.elsewhere")} ${elsewhere}</p>`}
    </div>
    <div class="film-ratings"></div>
  </article>`;
}

const gaveIt = (rating) => {
  const [before, after] = t("film.gave", { count: rating, stars: "\u0000" }).split("\u0000");
  return html`${before}<b>${rating}</b>${after}`;
};

function mine(film, { rating, stars, because, reason: words, trouble: failed }) {
  const why = because.length > 0 ? reason({ reason: words, because }) : "";
  const given = rating !== null && rating !== undefined;
  const gave = given && (starless() ? t("film.have_seen") : html`${gaveIt(rating)} <span class="quiet small">${hint(rating)}</span>`);
  return html`${failed && trouble(failed)}
    <p class="ask">${gave || t(starless() ? "film.seen.ask" : "film.rate")}</p>
    <div class="row">${starButtons(film, rating)}
      ${given && html`<button type="button" class="plain" data-unrate data-key="unrate">${t(starless() ? "film.take_back.seen" : "film.take_back")}</button>`}</div>
    ${!given && stars && html`<p class="expected"><b>★ ${stars.toFixed(1)}</b> ${t("film.expected")}${
      why && html`<span class="quiet">${why.startsWith("because") ? ", " : "; "}${why}</span>`}</p>`}`;
}

function histogram({ count, mean, histogram: bars }) {
  if (!count) return html`<h3>${t("film.ratings")}</h3><p class="quiet">${t("film.ratings.none")}</p>`;
  if (bars.length < 2) return html`<h3>${t("film.seen")}</h3><p>${t("film.seen.count", { count })}</p>`;
  const most = Math.max(...bars.map((bar) => bar.count));
  const row = (bar) => html`<li><span class="steps">${bar.stars} <span aria-hidden="true">★</span><span class="seen-not">${t("film.stars")}</span></span>
    <span class="bar" aria-hidden="true"><span style="width:${((100 * bar.count) / most).toFixed(1)}%"></span></span>
    <span class="count">${bar.count.toLocaleString(locale)}</span></li>`;
  return html`<h3>${t("film.ratings")}</h3><p><b class="mean">${mean.toFixed(2)}</b> ${t("film.all")}<br />${t("film.ratings.count", { count })}</p>
    <ul class="histogram" aria-label="${t("film.ratings.by")}">${[...bars].reverse().map(row)}</ul>`;
}

// A reason of a plot names the words that both have: "shared words: shark, beach".
const alike = (film) => html`<li><a href="${filmAddress(film.movie_id)}" data-go>${poster(film)}
  <span class="words"><span class="name">${named(film)}</span><span class="meta" dir="auto">${film.reason?.split(": ")[1] ?? (film.genres || []).map(genreName).join(", ")}</span></span></a></li>`;

const column = (list) => html`<section><h3 id="like-${list.by}">${t(`film.alike.${list.by}`)}</h3>
  <p class="quiet small">${t(list.note_key ? `film.note.${list.note_key}` : `film.alike.${list.by}.about`)}</p>
  <ol aria-labelledby="like-${list.by}">${list.items.map(alike)}</ol></section>`;

/** The lists by plot in one column, one of them shown; `plotBy`: the method that was chosen last. */
function plots(lists) {
  if (!lists.length) return null;
  const shown = lists.find((list) => list.method === plotBy) ?? lists[0];
  const button = ({ method }) => html`<button type="button" class="plain" data-plot="${method}" data-key="plot-${method}"
    aria-pressed="${String(method === shown.method)}">${t(`film.plots.${method}`)}</button>`;
  const part = (list) => html`<p class="quiet small" data-plot-list="${list.method}"${list !== shown && html` hidden`}>${t(`film.alike.plot.${list.method}`)}</p>
    <ol aria-labelledby="like-plot" data-plot-list="${list.method}"${list !== shown && html` hidden`}>${list.items.map(alike)}</ol>`;
  return html`<section><div class="choice"><h3 id="like-plot">${t("film.alike.plot")}</h3>
    ${lists.length > 1 && html`<span role="group" aria-label="${t("film.plots")}">${lists.map(button)}</span>`}</div>${lists.map(part)}</section>`;
}

let plotBy = "";

function choosePlots(sheet, method) {
  plotBy = method;
  for (const one of sheet.querySelectorAll("[data-plot-list]")) one.hidden = one.dataset.plotList !== method;
  for (const one of sheet.querySelectorAll("[data-plot]")) one.setAttribute("aria-pressed", one.dataset.plot === method);
}

function similar(lists) {
  const columns = [...lists.filter((list) => list.by !== "plot").map(column), plots(lists.filter((list) => list.by === "plot"))];
  return html`<section class="film-similar"><h2>${t("film.alike")}</h2><div class="columns">${columns}</div></section>`;
}

const starter = (film) => html`<li class="card"><a href="${filmAddress(film.movie_id)}" data-go>${poster(film)}
  <span class="name">${named(film)}</span></a></li>`;

const chart = (one) => html`<h3 id="chart-${one.by}">${t(`film.chart.${one.by}`)}</h3>
  <ul class="posters" aria-labelledby="chart-${one.by}">${one.items.map(starter)}</ul>`;

const beginning = (films, charts) => html`<section><h2>${t("film.begin")}</h2><p class="quiet">${t("film.begin.how")}</p>
  <h3>${t("film.chart.popular")}</h3><ul class="posters" aria-label="${t("film.begin.list")}">${films.map(starter)}</ul>${charts.map(chart)}</section>`;

/** A part of the page that is redrawn separately; keeps the focus, as `draw` does. */
function part(root, template) {
  const props = { value: null };
  let redraw;
  draw({ root, props, watch: (_, show) => (redraw = show) }, template);
  return (value) => {
    props.value = value;
    redraw();
  };
}

export function mount({ root, props, trigger, watch }) {
  root.innerHTML = '<p class="seen-not" role="status"></p><div class="sheet"></div>';
  const [said, sheet] = root.children;
  let film = null; // the film on the page
  let yours = {}; // the visitor's rating and prediction
  let showMine, showRatings;

  const fire = (event, args = {}) => window.matinee.fire(trigger, event, { film_id: film.movie_id, ...args });
  const page = (value) => html`${facts(value)}${similar(value.similar)}`;
  const drawSheet = part(sheet, (value) => (value.film ? page(value) : beginning(value.starters || [], value.charts || [])));

  function open(value) {
    const moved = sheet.contains(document.activeElement); // the focused link is not on the new page
    film = value.film || null;
    drawSheet(value);
    said.textContent = film ? t("film.page", { film: named(film) }) : "";
    if (!film) return;
    showMine = part(sheet.querySelector(".yours"), (shown) => mine(film, shown));
    showRatings = part(sheet.querySelector(".film-ratings"), histogram);
    yours = { rating: null, stars: null, because: [], reason: "" };
    showMine(yours);
    if (value.ratings) showRatings(value.ratings);
    if (moved) sheet.querySelector("h2").focus({ preventScroll: true });
    fire("greet");
    if (!can.states) ready().then((answer) => answer && can.states && props.value === value && open(value)); // the core has states
    else ready().then(() => refresh(sheet));
  }
  function update(value) {
    if (film?.movie_id !== value.movie_id) return;
    yours = { ...yours, ...value.yours, trouble: value.trouble };
    starsFrom(yours.lowest, yours.seen);
    showMine({ ...yours });
    if (value.trouble) forget(value.movie_id);
    else dispatchEvent(new CustomEvent("matinee:rated", { detail: { stars: { [value.movie_id]: yours.rating } } }));
    if (value.ratings) showRatings(value.ratings);
    if (new URLSearchParams(location.search).get("tab") === "film") window.matinee.title?.(named(film));
  }
  const show = () => {
    const value = props.value;
    if (!value || typeof value !== "object") return;
    if ("movie_id" in value) update(value);
    else open(value);
  };

  listenToActs(sheet);
  listenToStars(sheet, (movie_id, stars) => fire("rate", { stars }));
  sheet.addEventListener("click", (event) => {
    const method = event.target.closest("[data-plot]")?.dataset.plot;
    if (method) choosePlots(sheet, method);
    if (!event.target.closest("[data-unrate]")) return;
    forget(film.movie_id);
    fire("unrate");
  });
  addEventListener("matinee:user", () => film && fire("greet"));
  // The film may have been rated on another tab.
  new IntersectionObserver(([entry]) => entry.isIntersecting && film && fire("greet")).observe(root);
  watch("value", show);
  show();
}
