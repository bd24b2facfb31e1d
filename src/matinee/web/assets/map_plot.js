// The scatter of all films by Plotly, which is loaded when the first map is shown.

import { placed, shortened } from "./map_labels.js";
import { genreName, t } from "./strings.js";

const MOST = 9; // genres that have a color of their own
// Colors that also differ in lightness, for eyes that see them otherwise (after Okabe and Ito, and Tol).
const LIGHT = ["#0072b2", "#d55e00", "#009e73", "#aa3377", "#e69f00", "#56b4e9", "#882255", "#4b8a08", "#6a51a3"];
const DARK = ["#5aa9e6", "#ff8c42", "#2dc7a0", "#ee7bb0", "#ffcf56", "#9bd8ff", "#d16ba5", "#a5d65f", "#b39ddb"];
const CONFIG = { displayModeBar: false, scrollZoom: true, doubleClick: "reset", responsive: false };
const [FONT, WEIGHT] = [13, 600]; // of names on the map
const NO_NAME = "\u00a0"; // Plotly never shows a point's text again once it was empty

let loading = null;

/** Plotly, from this app. */
export function plotly() {
  if (window.Plotly) return Promise.resolve(window.Plotly);
  loading ??= new Promise((done, failed) => {
    const script = document.createElement("script");
    script.src = new URL("plotly.min.js", document.baseURI).href;
    script.onload = () => done(window.Plotly);
    script.onerror = () => {
      loading = null;
      script.remove();
      failed(new Error("The drawing program of the map did not arrive."));
    };
    document.head.append(script);
  });
  return loading;
}

function hasWebGL() {
  try {
    const canvas = document.createElement("canvas");
    return Boolean(canvas.getContext("webgl") || canvas.getContext("webgl2"));
  } catch {
    return false;
  }
}

/** Text for Plotly, which interprets some HTML. */
const plain = (text) => text.replace(/[&<>]/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[sign]);

/** The theme's colours at `element`, for Plotly, which does not support CSS variables. */
function colours(element) {
  const style = getComputedStyle(element);
  const dark = Boolean(element.closest(".dark")) || document.body.classList.contains("dark");
  return {
    text: style.getPropertyValue("--body-text-color").trim() || "#222",
    ground: style.getPropertyValue("--background-fill-primary").trim() || "#fff",
    genres: dark ? DARK : LIGHT,
    near: dark ? "#fbbf24" : "#b45309",
    query: dark ? "#ff6b6b" : "#b91c1c",
    unknown: dark ? "#6b6560" : "#b9b2aa",
  };
}

/** Rows of films by genre: of a film's genres the rarest that has a color; the last group has none (`genre: null`). */
function grouped(films) {
  const counts = new Map();
  for (const genre of (films.genres ?? []).flat()) counts.set(genre, (counts.get(genre) ?? 0) + 1);
  const named = [...counts].filter(([genre]) => !genre.startsWith("(")).sort((one, other) => other[1] - one[1]).slice(0, MOST);
  const groups = new Map([...named.map(([genre]) => [genre, []]), [null, []]]);
  films.movie_ids.forEach((_, row) => {
    const known = (films.genres?.[row] ?? []).filter((genre) => groups.has(genre));
    const rarest = known.reduce((best, genre) => (best === null || counts.get(genre) < counts.get(best) ? genre : best), null);
    groups.get(rarest).push(row);
  });
  return [...groups].map(([genre, rows]) => ({ genre, rows })).filter(({ rows }) => rows.length);
}

/** The range of values with a margin, at least `least` wide. */
function around(values, least) {
  let [low, high] = [Infinity, -Infinity];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [-1, 1];
  const air = Math.max((high - low) * 0.08, (least - (high - low)) / 2, 0.005);
  return [low - air, high + air];
}

/**
 * One map in an element.
 *
 * @param element where it is drawn.
 * @param on `{hover(id, pixel, trace), leave(), click(id, event)}`.
 */
export class FilmPlot {
  constructor(element, on) {
    this.element = element;
    this.on = on;
    this.films = null; // the map's columns
    this.shown = null; // {query, near}: rows of the marked films
    this.gl = hasWebGL();
  }

  /** Draw films (columns `movie_ids, titles, years, genres, x, y`), the row of the query or -1, and rows of its neighbours. */
  async draw(films, query, near) {
    const Plotly = await plotly();
    if (films !== this.films) this.groups = grouped(films);
    this.films = films;
    this.shown = { query: query < 0 ? [] : [query], near };
    this.range = { x: around(films.x, 0.1), y: around(films.y, 0.1) };
    await Plotly.react(this.element, this.#traces(), this.#layout(), CONFIG);
    if (!this.listening) this.#listen();
    this.#label();
  }

  /** Redraw in the current colours. */
  async recolour() {
    if (!this.films) return;
    const Plotly = await plotly();
    const { xaxis, yaxis } = this.element.layout;
    const layout = this.#layout();
    layout.xaxis.range = [...xaxis.range];
    layout.yaxis.range = [...yaxis.range];
    await Plotly.react(this.element, this.#traces(), layout, CONFIG);
    this.#label();
  }

  resize() {
    if (!this.films || !this.element.clientWidth) return;
    window.Plotly.Plots.resize(this.element).then(() => this.#label());
  }

  /** Zoom by a factor around the middle. */
  zoom(factor) {
    const { xaxis, yaxis } = this.element.layout;
    const scaled = ([low, high]) => {
      const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
      return [middle - half, middle + half];
    };
    this.#go(scaled(xaxis.range), scaled(yaxis.range));
  }

  whole() {
    this.#go(this.range.x, this.range.y);
  }

  /** Zoom to the query and its neighbours. */
  nearby() {
    const rows = [...this.shown.query, ...this.shown.near];
    this.#go(around(rows.map((row) => this.films.x[row]), 0.02), around(rows.map((row) => this.films.y[row]), 0.02));
  }

  /** The position of a film, in pixels from the element's corner. */
  pixel(row) {
    const { xaxis, yaxis } = this.element._fullLayout;
    return { x: xaxis._offset + xaxis.d2p(this.films.x[row]), y: yaxis._offset + yaxis.d2p(this.films.y[row]) };
  }

  #go(x, y) {
    window.Plotly.relayout(this.element, { "xaxis.range": [...x], "yaxis.range": [...y] });
  }

  #traces() {
    const { films, shown } = this;
    const colour = colours(this.element);
    const pick = (column, rows) => rows.map((row) => column[row]);
    const marked = (rows, name, marker) => ({
      type: "scatter",
      mode: "markers+text",
      name,
      x: pick(films.x, rows),
      y: pick(films.y, rows),
      text: rows.map(() => NO_NAME),
      textfont: { size: FONT, weight: WEIGHT, color: colour.text },
      hoverinfo: "none",
      cliponaxis: false,
      marker: { opacity: 1, line: { width: 1.5, color: colour.ground }, ...marker },
    });
    const dots = this.groups.map(({ genre, rows }, place) => ({
      type: this.gl ? "scattergl" : "scatter",
      mode: "markers",
      name: genre === null ? t("map.other") : genreName(genre),
      x: pick(films.x, rows),
      y: pick(films.y, rows),
      hoverinfo: "none",
      marker: { size: films.x.length > 20000 ? 4 : 5.5, opacity: 0.75, color: genre === null ? colour.unknown : colour.genres[place] },
    }));
    return [
      ...dots,
      marked(shown.near, t("map.neighbours"), { symbol: "diamond", size: 13, color: colour.near }),
      marked(shown.query, t("map.film"), { symbol: "star", size: 22, color: colour.query }),
    ];
  }

  #layout() {
    const colour = colours(this.element);
    const axis = { visible: false, zeroline: false, showgrid: false };
    return {
      xaxis: { ...axis, range: [...this.range.x] },
      yaxis: { ...axis, range: [...this.range.y] },
      dragmode: "pan",
      hovermode: "closest",
      hoverdistance: 14,
      margin: { l: 0, r: 0, t: 0, b: this.element.clientWidth < 640 ? 96 : 58 },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { family: getComputedStyle(this.element).fontFamily, size: FONT, color: colour.text },
      showlegend: true,
      legend: { orientation: "h", x: 0, y: 0, yanchor: "top", itemsizing: "constant", bgcolor: "rgba(0,0,0,0)" },
    };
  }

  /** Label the marked films, as far as there is room. */
  #label() {
    const { films, shown, element } = this;
    const rows = [...shown.query, ...shown.near];
    if (!rows.length || !element.clientWidth) return;
    const pen = document.createElement("canvas").getContext("2d");
    pen.font = `${WEIGHT} ${FONT}px ${getComputedStyle(element).fontFamily}`;
    const names = rows.map((row) => shortened(films.titles[row]));
    const { _size: size } = element._fullLayout;
    const points = rows.map((row, at) => ({ ...this.pixel(row), width: pen.measureText(names[at]).width }));
    const places = placed(points, { width: size.w, height: size.h });
    const texts = names.map((name, at) => (places[at] ? plain(name) : NO_NAME));
    const cut = shown.query.length;
    const ends = [places.map((place) => place ?? "top center"), texts];
    const near = ends.map((list) => list.slice(cut));
    const query = ends.map((list) => list.slice(0, cut));
    window.Plotly.restyle(element, { textposition: [near[0], query[0]], text: [near[1], query[1]] }, [this.groups.length, this.groups.length + 1]);
  }

  #listen() {
    this.listening = true;
    const { element, on } = this;
    const rowOf = ({ curveNumber, pointNumber }) =>
      (this.groups[curveNumber]?.rows ?? (curveNumber === this.groups.length ? this.shown.near : this.shown.query))[pointNumber];
    element.on("plotly_hover", ({ points }) => on.hover(rowOf(points[0])));
    element.on("plotly_unhover", () => on.leave());
    element.on("plotly_click", ({ points, event }) => on.click(rowOf(points[0]), event));
    element.on("plotly_relayout", () => {
      on.leave();
      cancelAnimationFrame(this.later);
      this.later = requestAnimationFrame(() => this.#label());
    });
  }
}
