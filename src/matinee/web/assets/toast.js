// One message at a time about what a click did, with a button that undoes it. Control+Z does the same, and goes on to do
// so when the message is gone: whoever reads slowly, or by ear, has the time that it takes.

import { html } from "./html.js";
import { t } from "./strings.js";

const SHOWN = 12_000; // milliseconds, longer while the pointer or the focus is on it
let undoing = null;
let timer = 0;

function box() {
  let found = document.getElementById("toast");
  if (found) return found;
  found = Object.assign(document.createElement("div"), { id: "toast", className: "view" });
  found.innerHTML = String(html`<p role="status"></p><button type="button" class="plain" hidden>${t("undo")}</button>`);
  found.lastElementChild.addEventListener("click", undo);
  (document.querySelector(".contain") ?? document.body).append(found);
  return found;
}

function undo() {
  const work = undoing;
  undoing = null;
  hide();
  work?.();
}

function hide() {
  clearTimeout(timer);
  const found = box();
  found.firstElementChild.textContent = "";
  found.lastElementChild.hidden = true;
}

function later() {
  timer = setTimeout(() => (box().matches(":hover, :focus-within") ? later() : hide()), SHOWN);
}

/** Show a message; `work` undoes what it tells. */
export function toast(words, work = null) {
  clearTimeout(timer);
  undoing = work;
  const found = box();
  found.firstElementChild.textContent = words;
  found.lastElementChild.hidden = !work;
  later();
}

addEventListener("keydown", (event) => {
  if (!undoing || event.key !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey) return;
  if (event.target.closest?.("input, textarea, [contenteditable]")) return;
  event.preventDefault();
  undo();
});
