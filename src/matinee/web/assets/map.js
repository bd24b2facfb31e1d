// All films on a map: the query as a star, its neighbours as diamonds, which are also listed below.

import { html, trouble } from "./html.js";
import { filmAddress, named, poster } from "./films.js";
import { FilmPlot, plotly } from "./map_plot.js";
import { t } from "./strings.js";

const SPACES = { content: "what they are about", taste: "who liked them", text: "what is told of them" };

// The map's own page is in the visitor's language; beside the classic screen it keeps its English words.
const wholeFrame = () => html`<section class="film-map" aria-labelledby="whole-map-title">
  <h2 id="whole-map-title">${t("map.title")}</h2>
  <p class="say" role="status"></p>
  <div class="problem"></div>
  <div class="board" hidden>
    <div class="tools" role="group" aria-label="${t("map.view")}">
      <button type="button" class="plain" data-tool="in">${t("map.in")}</button>
      <button type="button" class="plain" data-tool="out">${t("map.out")}</button>
      <button type="button" class="plain" data-tool="nearby" hidden></button>
      <button type="button" class="plain" data-tool="whole">${t("map.whole")}</button>
    </div>
    <div class="canvas"><div class="plot" role="img"></div><div class="tip" hidden></div></div>
    <p class="quiet small">${t("map.how")}</p>
  </div>
  <div class="listed"></div>
</section>`;

const frame = html`<section class="film-map" aria-labelledby="film-map-title">
  <h2 id="film-map-title">All films on a map</h2>
  <p class="say" role="status">Press Plot to see all films on a map.</p>
  <div class="problem"></div>
  <div class="board" hidden>
    <div class="tools" role="group" aria-label="The map's view">
      <button type="button" class="plain" data-tool="in">Zoom in</button>
      <button type="button" class="plain" data-tool="out">Zoom out</button>
      <button type="button" class="plain" data-tool="nearby">Neighbours only</button>
      <button type="button" class="plain" data-tool="whole">Whole map</button>
    </div>
    <div class="canvas"><div class="plot" role="img"></div><div class="tip" hidden></div></div>
    <p class="quiet small">Drag to move, turn the wheel to zoom. Point at a film to see it, click to go to its page; on a touch screen, tap.</p>
  </div>
  <div class="listed"></div>
</section>`;

const list = ({ query, neighbours }, lost) => html`<h3>Neighbours on the map</h3>
  <ol>${neighbours.map(
    (film) => html`<li>
      <a href="${filmAddress(film.movie_id)}" data-go data-film="${film.movie_id}"><bdi>${named(film)}</bdi></a>
      <span class="quiet">similarity ${film.similarity.toFixed(3)}${lost.has(film.movie_id) && ", not on the map yet"}</span>
    </li>`,
  )}</ol>
  <p class="quiet small">The star is <a href="${filmAddress(query.movie_id)}" data-go data-film="${query.movie_id}"><bdi>${named(query)}</bdi></a>.</p>`;

function sentence(value, films, lost) {
  const { query, neighbours, note, space } = value;
  const all = films.movie_ids.length.toLocaleString("en-GB");
  if (value.alone) return t("map.all", { count: films.movie_ids.length });
  const laid = `Films lie close together by ${SPACES[space] ?? space}.`;
  if (note) return `${note} Here are all ${all} films. ${laid}`;
  if (!query) return `Here are all ${all} films. ${laid} Type a title under Movie Recommender, and that film and its neighbours are marked.`;
  const missing = lost.has(query.movie_id) ? " It is newer than the map, so there is no star." : "";
  return `${named(query)} and its ${neighbours.length} nearest among ${all} films.${missing} ${laid}`;
}

/** The coordinates of a space. The browser caches and revalidates them. */
async function load(space) {
  let response;
  try {
    response = await fetch(new URL(`media/map/${encodeURIComponent(space)}`, document.baseURI));
  } catch {
    throw new Error("This app does not answer.");
  }
  const said = response.headers.get("content-type") ?? "";
  if (response.ok) return response.json();
  if (said.includes("json")) throw new Error((await response.json()).detail ?? "");
  throw new Error(response.status === 503 ? await response.text() : "");
}

export function mount({ root, props, watch }) {
  const { matinee } = window;
  const alone = root.closest("#whole-map") !== null;
  root.innerHTML = alone ? wholeFrame() : frame;
  const [say, problem, board, canvas, element, tip, listed] = [
    ".say", ".problem", ".board", ".canvas", ".plot", ".tip", ".listed",
  ].map((selector) => root.querySelector(selector));
  let films = null;
  let rows = new Map(); // film id → row
  let alike = new Map(); // film id → similarity
  let touched = false;
  let drawn = 0;

  const film = (row) => ({ movie_id: films.movie_ids[row], title: films.titles[row], year: films.years[row] });

  const show = (row, pinned) => {
    const it = film(row);
    const similarity = alike.get(it.movie_id);
    tip.innerHTML = html`${poster(it)}<p><strong><bdi>${named(it)}</bdi></strong>
      ${similarity !== undefined && html`<span class="quiet">similarity ${similarity.toFixed(3)}</span>`}
      ${pinned && html`<a href="${filmAddress(it.movie_id)}" data-go>${alone ? t("map.go") : "Go to this film"}</a>`}</p>`;
    tip.hidden = false;
    tip.classList.toggle("pinned", pinned);
    const { x, y } = plot.pixel(row);
    const left = x + 16 + tip.offsetWidth > canvas.clientWidth ? x - 16 - tip.offsetWidth : x + 16;
    tip.style.left = `${Math.max(0, Math.min(left, canvas.clientWidth - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, Math.min(y - tip.offsetHeight / 2, canvas.clientHeight - tip.offsetHeight))}px`;
  };
  const hide = () => {
    tip.hidden = true;
  };

  const plot = new FilmPlot(element, {
    hover: (row) => {
      element.style.setProperty("cursor", "pointer");
      if (!touched) show(row, false);
    },
    leave: () => {
      if (!tip.classList.contains("pinned")) hide();
    },
    click: (row, event) => {
      if (touched) return show(row, true);
      hide();
      const address = filmAddress(film(row).movie_id);
      if (event?.ctrlKey || event?.metaKey) window.open(address);
      else matinee.go(address);
    },
  });

  const draw = async () => {
    const value = props.value ?? {};
    const mine = ++drawn;
    hide();
    problem.innerHTML = "";
    if (value.error) return fail(value.error);
    if (!value.space) return;
    say.textContent = films ? say.textContent : alone ? t("map.drawing") : "The map is being drawn …";
    try {
      const [loaded] = await Promise.all([load(value.space), plotly()]);
      if (mine !== drawn) return;
      films = loaded;
      rows = new Map(films.movie_ids.map((id, row) => [id, row]));
      alike = new Map(value.neighbours.map((each) => [each.movie_id, each.similarity]));
      const near = value.neighbours.map((each) => rows.get(each.movie_id)).filter((row) => row !== undefined);
      const lost = new Set([value.query, ...value.neighbours].filter((each) => each && !rows.has(each.movie_id)).map((each) => each.movie_id));
      board.hidden = false;
      root.querySelector('[data-tool="nearby"]').hidden = !near.length;
      element.setAttribute("aria-label", alone ? t("map.of", { count: films.movie_ids.length }) : `Map of ${films.movie_ids.length} films${value.query ? "; the list below names the neighbours" : ""}`);
      await plot.draw(films, rows.get(value.query?.movie_id) ?? -1, near);
      say.textContent = sentence(value, films, lost);
      listed.innerHTML = value.query ? html`${list(value, lost)}` : "";
      root.dataset.drawn = `${value.space} ${value.query?.movie_id ?? ""} ${near.length}`;
    } catch (error) {
      if (mine === drawn) fail({ title: "The map cannot be shown right now.", hint: error.message, retry: true, kind: alone ? "map" : undefined });
    }
  };

  function fail(error) {
    say.textContent = "";
    board.hidden = true;
    listed.innerHTML = "";
    problem.innerHTML = trouble(error);
  }

  root.addEventListener("click", (event) => {
    const tool = event.target.closest("[data-tool]")?.dataset.tool;
    if (tool === "in") plot.zoom(0.6);
    else if (tool === "out") plot.zoom(1 / 0.6);
    else if (tool === "nearby") plot.nearby();
    else if (tool === "whole") plot.whole();
    if (!event.target.closest(".canvas")) hide();
    if (event.target.closest("[data-retry]")) draw(); // the answer to the address may be what it was
  });
  canvas.addEventListener("pointerdown", (event) => {
    touched = event.pointerType === "touch";
    if (!event.target.closest(".tip")) {
      tip.classList.remove("pinned");
      hide();
    }
  }, true);
  canvas.addEventListener("pointermove", (event) => {
    touched = event.pointerType === "touch";
  }, true);
  for (const [event, on] of [["pointerover", true], ["focusin", true], ["pointerout", false], ["focusout", false]]) {
    listed.addEventListener(event, (given) => {
      const row = rows.get(given.target.closest("[data-film]")?.dataset.film);
      if (on && row !== undefined && plot.films) show(row, false);
      else hide();
    });
  }
  let width = 0;
  new ResizeObserver(() => {
    if (canvas.clientWidth === width) return;
    width = canvas.clientWidth;
    plot.resize();
  }).observe(canvas);
  const repaint = () => plot.recolour();
  new MutationObserver(repaint).observe(document.body, { attributeFilter: ["class"] });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => setTimeout(repaint, 100));
  watch("value", draw);
  draw();
}
