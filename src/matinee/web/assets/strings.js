// The visitor's words: `t(key, {name})`, from the catalog that the page brings (web/strings).

const { language = "en", languages = { en: "English" }, strings = {} } = window.matineeWords ?? {};
const LOCALES = { en: "en-GB" };
const rules = new Intl.PluralRules(language);

export const locale = LOCALES[language] ?? language;
export { language, languages };

/** The text of a key with its values in place; with `count` the form of that number. */
export function t(key, values = {}) {
  const form = values.count === undefined ? key : `${key}.${rules.select(values.count)}`;
  const words = strings[form] ?? strings[`${key}.other`] ?? strings[key] ?? key;
  return words.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    return value === undefined ? all : typeof value === "number" ? value.toLocaleString(locale) : String(value);
  });
}

/** A genre in the visitor's language; as the catalog has it where there is no word. */
export const genreName = (genre) => strings[`genre.${genre}`] ?? genre;

/** Title and hint of a kind of error; null where the catalog has no words for it. */
export const fault = (kind) =>
  strings[`fault.${kind}`] ? { title: strings[`fault.${kind}`], hint: strings[`fault.${kind}.hint`] ?? "" } : null;

/** Keep a language, and show the page in it. */
export function speak(code) {
  const path = new URL(document.baseURI).pathname;
  document.cookie = `matinee_language=${code}; path=${path}; max-age=31536000; samesite=lax`;
  location.reload();
}

/** Words of parts that Gradio draws: tabs and the motto. */
export function relabel() {
  for (const tab of document.querySelectorAll("#pages > .tab-wrapper [data-tab-id]")) {
    const words = strings[`tab.${tab.dataset.tabId}`];
    const node = [...tab.childNodes].find((child) => child.nodeType === Node.TEXT_NODE && child.data.trim());
    if (words && node && node.data.trim() !== words) node.data = words;
  }
  for (const part of document.querySelectorAll("[data-words]")) part.textContent = t(part.dataset.words);
}
