// Filters that people use, as one text of the filter language: genre, decade, country, language; the rest is "Advanced".

import { html } from "./html.js";
import { genreName, t } from "./strings.js";

const FIELDS = [["genre", "genres"], ["decade", "decades"], ["country", "countries"], ["language", "languages"]];
const quoted = (text) => `"${text.replace(/[\\"]/g, "\\$&")}"`;
const clause = (field, value) => (field === "decade" ? `decade = ${value}` : `${field} = ${quoted(value)}`);

/** The clauses of a filter joined by `and`; the whole as one where it holds anything else. */
function split(text) {
  if (/\b(or|between)\b/i.test(text.replace(/"(\\.|[^"\\])*"|'(\\.|[^'\\])*'/g, ""))) return [text];
  const parts = text.match(/(?:"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|(?!\sand\s)[\s\S])+/gi) ?? [];
  return parts.map((part) => part.replace(/^\s*and\s+/i, "").trim()).filter(Boolean);
}

/** `{genre, decade, country, language, rest}` of a filter. */
export function parse(text = "") {
  const found = { rest: "" };
  const rest = [];
  for (const part of split(text)) {
    const [, field, value] = /^(genre|decade|country|language)\s*=\s*("(?:\\.|[^"\\])*"|\d{4})s?$/i.exec(part) ?? [];
    const name = field?.toLowerCase();
    if (name && !(name in found)) found[name] = value.startsWith('"') ? value.slice(1, -1).replace(/\\(.)/g, "$1") : value;
    else rest.push(part);
  }
  return { ...found, rest: rest.join(" and ") };
}

/** The filter of such values. */
export function unparse(values) {
  const clauses = FIELDS.filter(([field]) => values[field]).map(([field]) => clause(field, values[field]));
  const rest = values.rest?.trim();
  return [...clauses, rest && clauses.length && /\bor\b/i.test(rest) ? `(${rest})` : rest].filter(Boolean).join(" and ");
}

const option = (value, label, chosen) => html`<option value="${value}"${String(value) === String(chosen ?? "") && html` selected`}>${label}</option>`;
const label = (field, value) => (field === "genre" ? genreName(value) : field === "decade" ? t("decade", { decade: String(value) }) : value);

function choice(id, field, values, chosen) {
  const all = chosen && !values.map(String).includes(chosen) ? [chosen, ...values] : values;
  return html`<label class="pick-one" for="${id}-${field}"><span>${t(`filter.${field}`)}</span>
    <select id="${id}-${field}" name="${field}" data-key="${id}-${field}"${chosen && html` class="on"`}>${option("", t("filter.any"), chosen)}${all.map((value) => option(value, label(field, value), chosen))}</select></label>`;
}

/** Controls for a filter; `sorts`: choices of a sort, `more`: further markup behind "Advanced". */
export function filterBar(id, facets, filter, { sorts = [], sort = "", more = "", open = false } = {}) {
  const values = parse(filter);
  const fields = FIELDS.filter(([field, facet]) => facets?.[facet]?.length || values[field]);
  return html`<form class="filters" aria-label="${t("filter.title")}">
    ${fields.map(([field, facet]) => choice(id, field, facets?.[facet] ?? [], values[field]))}
    ${sorts.length > 0 && html`<label class="pick-one" for="${id}-sort"><span>${t("filter.sort")}</span>
      <select id="${id}-sort" name="sort" data-key="${id}-sort"${sort && html` class="on"`}>${sorts.map((one) => option(one, t(`sort.${one || "default"}`), sort))}</select></label>`}
    ${filter && html`<button type="button" class="plain" data-clear data-key="${id}-clear">${t("filter.clear")}</button>`}
    <details class="advanced"${(open || values.rest) && html` open`}><summary data-key="${id}-advanced">${t("filter.advanced")}</summary>
      <label for="${id}-rest"><span>${t("filter.rest")}</span>
      <input id="${id}-rest" name="rest" type="text" value="${values.rest}" placeholder="${'not tag = "gore" and ratings >= 50'}" data-key="${id}-rest" autocomplete="off" spellcheck="false" maxlength="2000" /></label>${more}</details>
  </form>`;
}

/** Call `changed(filter, sort, form)` when the visitor changes a control. */
export function listenToFilters(root, changed) {
  const tell = (form) => {
    const given = Object.fromEntries(new FormData(form));
    changed(unparse(given), given.sort ?? "", form);
  };
  root.addEventListener("submit", (event) => {
    if (!event.target.matches(".filters")) return;
    event.preventDefault();
    tell(event.target);
  });
  root.addEventListener("change", (event) => {
    const form = event.target.closest(".filters");
    if (form && event.target.name !== "rest") tell(form);
  });
  root.addEventListener("click", (event) => {
    const button = event.target.closest("[data-clear]");
    if (button) changed("", new FormData(button.form).get("sort") ?? "", button.form);
  });
}
