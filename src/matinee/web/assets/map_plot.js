// The scatter of all films by Plotly, which is loaded when the first map is shown.

import { placed, shortened } from "./map_labels.js";

export const [ALL, NEAR, QUERY] = [0, 1, 2]; // the traces
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
    old: dark ? "#5b4b8a" : "#b3a7d6",
    middle: dark ? "#3f7fae" : "#6fa3c8",
    young: dark ? "#6fd0bd" : "#23806f",
    near: dark ? "#fbbf24" : "#b45309",
    query: dark ? "#ff6b6b" : "#b91c1c",
    unknown: dark ? "#6b6560" : "#b9b2aa",
  };
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

  /** Draw films (columns `movie_ids, titles, years, x, y`), the row of the query or -1, and rows of its neighbours. */
  async draw(films, query, near) {
    const Plotly = await plotly();
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
    const known = films.years.filter((year) => year !== null).sort((one, other) => one - other);
    const [first, last] = [known[0] ?? 1900, known.at(-1) ?? 2000];
    const oldest = Math.max(first, last - 80); // the few older films get the end of the scale
    const none = oldest - Math.max(1, last - oldest) / 10; // films without a year are below it
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
    return [
      {
        type: this.gl ? "scattergl" : "scatter",
        mode: "markers",
        name: `All films, coloured by year (${first} to ${last})`,
        x: films.x,
        y: films.y,
        hoverinfo: "none",
        marker: {
          size: films.x.length > 20000 ? 4 : 5.5,
          opacity: 0.75,
          color: films.years.map((year) => (year === null ? none : Math.max(year, oldest))),
          colorscale: [[0, colour.unknown], [0.05, colour.unknown], [0.09, colour.old], [0.6, colour.middle], [1, colour.young]],
          cmin: none,
          cmax: Math.max(last, oldest + 1),
          showscale: false,
        },
      },
      marked(shown.near, "Neighbours", { symbol: "diamond", size: 13, color: colour.near }),
      marked(shown.query, "Your film", { symbol: "star", size: 22, color: colour.query }),
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
      margin: { l: 0, r: 0, t: 0, b: 34 },
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
    window.Plotly.restyle(element, { textposition: [near[0], query[0]], text: [near[1], query[1]] }, [NEAR, QUERY]);
  }

  #listen() {
    this.listening = true;
    const { element, on } = this;
    const rowOf = ({ curveNumber, pointNumber }) =>
      curveNumber === ALL ? pointNumber : (curveNumber === NEAR ? this.shown.near : this.shown.query)[pointNumber];
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
