// Bringing films from elsewhere: an export is dropped or chosen, what is in it is shown, and then it is stored.

import { ask } from "./ask.js";
import { named } from "./films.js";
import { html, trouble } from "./html.js";
import { act, can } from "./marks.js";
import { t } from "./strings.js";

const SHOWN = 200; // films of a list
const SCALES = ["1-5", "1-10", "1-100", "0.5-5"];

/** The panel, hidden until it is asked for. */
export const bringPanel = () => can.import && html`<section id="bring" class="bring" hidden aria-labelledby="bring-title">
  <h3 id="bring-title">${t("bring.title")}</h3>
  <div class="zone"><p>${t("bring.drop")}</p>
    <button type="button" class="plain strong" data-choose>${t("bring.choose")}</button>
    <input class="seen-not" type="file" tabindex="-1" aria-label="${t("bring.file")}" />
    <p class="quiet small">${t("bring.from")}</p></div>
  <p class="note" role="status"></p>
  <div class="found"></div>
</section>`;

const nameOf = (entry) => (entry.year ? `${entry.title} (${entry.year})` : entry.title ?? entry.name ?? "");
const movieOf = (entry) => entry.movie ?? entry;

function matchedLine(entry) {
  const movie = movieOf(entry);
  const stars = entry.rating ?? entry.stars;
  return html`<li>${named(movie.title ? movie : entry)}${stars !== null && stars !== undefined && html` <span class="quiet">★ ${stars}</span>`}</li>`;
}

const choice = (entry, place) => html`<fieldset data-unsure="${place}"><legend>${nameOf(entry)}</legend>
  ${(entry.candidates ?? []).slice(0, 4).map((film) => html`<label><input type="radio" name="unsure-${place}" value="${film.movie_id}" /> ${named(film)}</label>`)}
  <label><input type="radio" name="unsure-${place}" value="" checked /> ${t("bring.neither")}</label></fieldset>`;

const long = (summary, items, line) => items.length > 0 && html`<details><summary>${summary}</summary><ul>${items.slice(0, SHOWN).map(line)}</ul></details>`;

function summary(answer) {
  const { matched = [], unsure = [], unknown = [], notes = [] } = answer;
  const counts = { matched: answer.counts?.matched ?? matched.length, unsure: answer.counts?.unsure ?? unsure.length, unknown: answer.counts?.unknown ?? unknown.length };
  return html`<p class="sum"><strong>${t("bring.matched", { count: counts.matched })}</strong>, ${t("bring.unsure", { count: counts.unsure })}, ${t("bring.unknown", { count: counts.unknown })}</p>
    ${notes.map((note) => html`<p class="quiet small" lang="en">${note.message ?? note}</p>`)}
    ${unsure.length > 0 && html`<h4>${t("bring.which")}</h4><div class="unsure">${unsure.slice(0, SHOWN).map(choice)}</div>`}
    ${long(t("bring.matched", { count: counts.matched }), matched, matchedLine)}
    ${long(t("bring.unknown", { count: counts.unknown }), unknown, (entry) => html`<li>${nameOf(entry)}</li>`)}
    <div class="row"><button type="button" class="plain strong" data-store${!counts.matched && !unsure.length && html` disabled`}>${t("bring.store", { count: counts.matched })}</button>
    <button type="button" class="plain" data-cancel>${t("bring.cancel")}</button></div>`;
}

const askScale = (error) => html`${trouble(error)}<div class="row">${SCALES.map((scale) => html`<button type="button" class="plain" data-scale="${scale}">${scale}</button>`)}</div>`;

/** Make the panel of a page work; `done` is called when films are stored. */
export function mountBring(root, done) {
  const panel = root.querySelector("#bring");
  if (!panel) return;
  const [zone, note, found, input] = [".zone", ".note", ".found", "input[type=file]"].map((one) => panel.querySelector(one));
  const { matinee } = window;
  let file = null;
  let preview = null;
  let scale = "";
  const open = (on) => {
    panel.hidden = !on;
    for (const button of root.querySelectorAll("[data-bring]")) button.setAttribute("aria-expanded", String(on));
  };
  const send = (stored) => ask("import", { user: matinee.args.user, name: file.name, preview: stored ? "0" : "1", scale }, file);
  const look = async (given) => {
    file = given;
    open(true);
    found.innerHTML = "";
    note.textContent = t("bring.reading", { name: file.name });
    zone.setAttribute("aria-busy", "true");
    preview = await send(false);
    zone.removeAttribute("aria-busy");
    note.textContent = "";
    if (preview.error) {
      found.innerHTML = String(/scale/.test(`${preview.error.kind} ${preview.error.title}`) ? askScale(preview.error) : trouble(preview.error));
      return;
    }
    found.innerHTML = String(summary(preview));
    found.querySelector("[data-store]").focus({ preventScroll: true });
    found.scrollIntoView({ block: "nearest" });
  };
  const store = async () => {
    const button = found.querySelector("[data-store]");
    button.disabled = true;
    note.textContent = t("bring.storing");
    const answer = await send(true);
    if (answer.error) {
      note.textContent = "";
      found.innerHTML = String(trouble(answer.error));
      return;
    }
    for (const group of found.querySelectorAll("[data-unsure]")) {
      const id = group.querySelector("input:checked")?.value;
      const entry = preview.unsure[Number(group.dataset.unsure)];
      if (!id) continue;
      const stars = entry.rating ?? entry.stars;
      await act({ movie_id: id, title: entry.title }, stars === null || stars === undefined ? (entry.state ?? "seen") : "rating", stars ?? true);
    }
    done();
  };
  root.addEventListener("click", (event) => {
    const target = event.target;
    if (target.closest("[data-bring]")) {
      open(panel.hidden);
      if (!panel.hidden) panel.querySelector("[data-choose]").focus();
    } else if (!panel.contains(target)) return;
    else if (target.closest("[data-choose]")) input.click();
    else if (target.closest("[data-store]")) store();
    else if (target.closest("[data-scale]")) {
      scale = target.closest("[data-scale]").dataset.scale;
      look(file);
    } else if (target.closest("[data-cancel]")) {
      found.innerHTML = "";
      panel.querySelector("[data-choose]").focus();
    }
  });
  input.addEventListener("change", () => {
    if (input.files[0]) look(input.files[0]);
    input.value = "";
  });
  const here = () => panel.isConnected && root.checkVisibility();
  const over = (on) => zone.classList.toggle("over", on);
  const listen = (name, work) => {
    const heard = (event) => (panel.isConnected ? here() && work(event) : removeEventListener(name, heard));
    addEventListener(name, heard);
  };
  // An export may be dropped anywhere on the page: outside of the zone the browser would leave the app to show it.
  listen("dragover", (event) => {
    if (![...event.dataTransfer.types].includes("Files")) return;
    event.preventDefault();
    open(true);
    over(true);
  });
  listen("dragleave", (event) => event.relatedTarget ?? over(false));
  listen("drop", (event) => {
    if (!event.dataTransfer.files[0]) return;
    event.preventDefault();
    over(false);
    look(event.dataTransfer.files[0]);
  });
}
