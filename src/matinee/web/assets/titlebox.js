// A combobox of films (WAI-ARIA's "list autocomplete with manual selection"): the text is not changed until a film is
// chosen. The box's values are in `matinee.args`, where any listener can read them.

import { html } from "./html.js";
import { named } from "./films.js";
import { t } from "./strings.js";

const PAUSE = 120; // milliseconds after the last key before titles are requested

const oneLine = (text) => text.trim().split(/\s+/u).join(" ");

export function mount({ root, props, trigger, watch }) {
  const box = props.box;
  const list = `${box}-list`;
  const mine = box === "film-box"; // the boxes of the classic screens keep their English words
  const label = mine ? t("film.find") : props.label;
  const none = mine ? t("film.none") : "No title comes near this.";
  let film = ""; // id of the chosen film; "" if the text was only typed
  let options = [];
  let active = -1;
  let query = null; // the text whose titles are to be shown; null: none
  let waiting = 0;

  root.innerHTML = html`<div class="combo">
    <label for="${box}-input">${label}</label>
    <div class="field">
      <input id="${box}-input" type="text" role="combobox" aria-autocomplete="list" aria-expanded="false"
        aria-controls="${list}" autocomplete="off" autocapitalize="off" spellcheck="false" enterkeyhint="search"
        placeholder="${props.hint || ""}" />
      <button type="button" class="clear" aria-label="${mine ? t("film.box.empty") : `Empty the box: ${label}`}" hidden>×</button>
    </div>
    <ul id="${list}" role="listbox" aria-label="${mine ? t("film.box.titles") : `Titles for ${label}`}" hidden></ul>
    <p class="note" role="status"></p>
  </div>`;
  const input = root.querySelector("input");
  const popup = root.querySelector("ul");
  const note = root.querySelector(".note");
  const clear = root.querySelector(".clear");

  const say = (text, seen = false) => {
    note.textContent = text;
    note.classList.toggle("seen-not", !seen);
  };
  const keep = () => {
    window.matinee.args[`${box}_text`] = input.value;
    window.matinee.args[`${box}_movie_id`] = film;
    clear.hidden = !input.value;
    // Keep the component's value equal, so that a value set by Python differs from it and is drawn.
    props.value = { text: input.value, movie_id: film };
  };
  const point = (index) => {
    active = index;
    [...popup.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === active)));
    if (active < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", popup.children[active].id);
    popup.children[active].scrollIntoView({ block: "nearest" });
  };
  const open = (shown) => {
    popup.hidden = !shown;
    input.setAttribute("aria-expanded", String(shown));
    if (!shown) point(-1);
  };
  const close = () => {
    clearTimeout(waiting);
    query = null;
    open(false);
  };
  const ask = () => {
    query = oneLine(input.value);
    keep();
    trigger("complete");
  };
  const choose = (index) => {
    const option = options[index];
    input.value = named(option);
    film = option.movie_id;
    close();
    say("");
    keep();
    trigger("choose");
    trigger("settle");
  };
  const set = (text, id) => {
    input.value = text;
    film = id;
    close();
    say("");
    keep();
  };

  function complete(answer) {
    keep();
    // Ignore answers to earlier texts. Python truncates and joins texts in the same way.
    if (query === null || !query.startsWith(answer.for) || (answer.for !== query && !answer.note)) return;
    options = answer.options;
    popup.innerHTML = html`${options.map(
      (each, index) => html`<li role="option" id="${list}-${index}" data-index="${index}" aria-selected="false">
        <span class="what">${each.title}</span> <span class="when">${each.year}</span></li>`,
    )}`;
    open(options.length > 0);
    point(-1);
    if (answer.note) return say(!mine ? answer.note : t(answer.for === query ? "film.box.failed" : "film.box.long"), true);
    if (!options.length) return say(none, true);
    say(mine ? t("film.box.count", { count: options.length }) : options.length === 1 ? "1 title" : `${options.length} titles`);
  }

  input.addEventListener("input", () => {
    film = "";
    keep();
    clearTimeout(waiting);
    if (oneLine(input.value)) {
      waiting = setTimeout(ask, PAUSE);
    } else {
      close();
      say("");
    }
  });
  input.addEventListener("keydown", (event) => {
    if (event.isComposing) return;
    const open_ = !popup.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      if (open_) point((active + step + options.length + (active < 0 && step < 0 ? 1 : 0)) % options.length);
      else if (oneLine(input.value)) ask();
    } else if (event.key === "Escape" && (open_ || input.value)) {
      event.preventDefault();
      if (open_) close();
      else set("", "");
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (open_ && active >= 0) return choose(active);
      close();
      keep();
      trigger("submit");
      trigger("settle");
    }
  });
  input.addEventListener("blur", close);
  popup.addEventListener("mousedown", (event) => event.preventDefault()); // the box keeps the focus
  popup.addEventListener("click", (event) => {
    const option = event.target.closest("li");
    if (option) choose(Number(option.dataset.index));
  });
  clear.addEventListener("click", () => {
    set("", "");
    input.focus();
  });

  const show = () => {
    const value = props.value && typeof props.value === "object" ? props.value : {};
    if ("options" in value) complete(value);
    else if (value.text !== input.value || value.movie_id !== film) set(value.text || "", value.movie_id || "");
  };
  watch("value", show);
  set(props.value?.text || "", props.value?.movie_id || "");
}
