// Markup out of values: html`<b title="${title}">${title}</b>` escapes whatever is put in, lists are joined.
// Only what `html` itself made goes in as it is.

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
  return new Markup(parts.reduce((text, part, place) => text + escaped(values[place - 1]) + part));
}

/** Draw `template(props.value)` into `root`, now and at every new value; `after(root, value)` comes behind each.
    A value that says when it was asked for (`at`) is left out if one asked for later came first. */
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

/** A failure said in friendly words; "Try again" opens the present address anew. A faulty filter shows its fault. */
export function trouble(error) {
  return html`<div class="trouble" role="alert">
    <p><strong>${error.title}</strong></p>
    ${error.filter && marked(error.filter, error.position)}
    ${error.hint && html`<p>${error.hint}</p>`}
    ${error.retry && html`<p><button type="button" class="plain" data-retry>Try again</button></p>`}
  </div>`;
}

const AROUND = 60; // characters of a long filter that are shown on either side of its fault

function marked(text, position) {
  const signs = Array.from(text); // positions are counted in characters, not in UTF-16 units
  const before = signs.slice(Math.max(position - AROUND, 0), position).join("");
  const after = signs.slice(position + 1, position + 1 + AROUND).join("");
  return html`<pre>${position > AROUND && "…"}${before}<mark>${signs[position] ?? " "}</mark>${after}${signs.length > position + 1 + AROUND && "…"}</pre>`;
}
