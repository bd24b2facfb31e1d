// Templates: html`<b title="${title}">${title}</b>` escapes all values and joins lists. Only results of `html` are not
// escaped again.

import { fault, language, t } from "./strings.js";

class Markup {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

const ENTITIES = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;", "`": "&#96;" };

function escaped(value) {
  if (value instanceof Markup) return value.text;
  if (Array.isArray(value)) return value.map(escaped).join("");
  if (value === null || value === undefined || value === false) return "";
  return String(value).replace(/[&<>"'`]/g, (sign) => ENTITIES[sign]);
}

export function html(parts, ...values) {
  return new Markup(parts.reduce((text, part, i) => text + escaped(values[i - 1]) + part));
}

/** Draw `template(props.value)` into `root`, now and for every new value, and then call `after(root, value)`.
    A value with a request time (`at`) is ignored if one with a later time was drawn before. */
export function draw({ root, props, watch }, template, after) {
  let latest = 0;
  const show = () => {
    const value = props.value && typeof props.value === "object" ? props.value : null;
    if (value?.at < latest) return;
    latest = value?.at ?? latest;
    const focused = root.contains(document.activeElement) ? document.activeElement.dataset.key : null;
    root.innerHTML = value === null ? "" : String(value.error ? trouble(value.error) : template(value));
    if (focused) (root.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? root.querySelector("[data-key]"))?.focus({ preventScroll: true });
    if (value !== null) after?.(root, value);
  };
  watch("value", show);
  show();
}

/** Title and hint in the visitor's language. What the core says is English: it is replaced where the catalog has words for
 * that kind of error; else it is `foreign`, and stands below a title of the catalog. */
function inWords(error) {
  if (language === "en" || error.own) return error;
  return fault(error.kind) ?? { title: t("error.failed"), hint: error.hint, foreign: true };
}

/** An error as one line. */
export function inOneLine(error) {
  const { title, hint, foreign } = inWords(error);
  return [title, foreign ? "" : hint].filter(Boolean).join(" ");
}

/** An error message. "Try again" reopens the current address. An invalid filter is shown with its error marked. */
export function trouble(error) {
  const { title, hint, foreign } = inWords(error);
  return html`<div class="trouble" role="alert">
    <p><strong>${title}</strong></p>
    ${error.filter && marked(error.filter, error.position)}
    ${foreign && html`<p lang="en">${error.title}</p>`}
    ${hint && html`<p${foreign && html` lang="en"`}>${hint}</p>`}
    ${error.retry && html`<p><button type="button" class="plain" data-retry>${t("retry")}</button></p>`}
  </div>`;
}

const AROUND = 60; // characters of a long filter shown on either side of the error

function marked(text, position) {
  const signs = Array.from(text); // positions are counted in characters, not in UTF-16 units
  const before = signs.slice(Math.max(position - AROUND, 0), position).join("");
  const after = signs.slice(position + 1, position + 1 + AROUND).join("");
  return html`<pre>${position > AROUND && "…"}${before}<mark>${signs[position] ?? " "}</mark>${after}${signs.length > position + 1 + AROUND && "…"}</pre>`;
}
