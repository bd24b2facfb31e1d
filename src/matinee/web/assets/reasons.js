// What the core says of a film, in the visitor's language: why it was recommended, how it was found, what was understood.

import { genreName, language, t } from "./strings.js";

const listed = (names) => new Intl.ListFormat(language).format(names);

/** The reason of a recommendation; `because` are films with their shares, or titles. */
export function reason({ reason: words = "", because = [] }) {
  if (language === "en" || !words) return words;
  const few = because.filter((one) => one.share === undefined || one.share >= because[0].share / 2).slice(0, 3);
  const titles = few.map((one) => one.title ?? one);
  if (/^because you (loved|liked)/.test(words) && titles.length) return t("reason.because", { titles: listed(titles) });
  if (words.startsWith("like ")) return t("reason.like", { title: words.slice(5).split(": ")[0] });
  if (words.startsWith("popular")) return t("reason.popular");
  return titles.length ? t("reason.taste", { titles: listed(titles) }) : "";
}

const HOW = [
  [/^the title itself$/, "how.exact"],
  [/^the title begins so$/, "how.begins"],
  [/^a word of the title begins so$/, "how.word"],
  [/^spelt (\d+) % alike$/, "how.alike"],
  [/^short for (.*)$/, "how.short"],
  [/^its initials are (.*)$/, "how.initials"],
  [/^number (\d+) of the films called so, by year$/, "how.series"],
  [/^means much the same$/, "how.meaning"],
  [/^means much the same: (.*)$/, "how.meaning.words"],
  [/^its description has the words$/, "how.words"],
  [/^its description has the words: (.*)$/, "how.words.words"],
  [/^its poster seems to show (.*)$/, "how.poster"],
  [/^(?:directed by|by) (.*)$/, "how.directors"],
  [/^written by (.*)$/, "how.writers"],
  [/^(?:with|starring|featuring) (.*)$/, "how.cast"],
  [/^like (.*)$/, "reason.like"],
  [/^(\d{4})s$/, "decade"],
  [/^after (.*)$/, "label.after"],
  [/^since (.*)$/, "label.since"],
  [/^before (.*)$/, "label.before"],
  [/^until (.*)$/, "label.until"],
];
const NAMES = { "reason.like": "title", decade: "decade" }; // of the value in the text

/** A label of what was understood ("with Bruce Willis", "1990s", "Action"), or how a film was found. */
export function said(words) {
  if (language === "en" || !words) return words;
  for (const [pattern, key] of HOW) {
    const found = pattern.exec(words);
    if (found) return t(key, { [NAMES[key] ?? "of"]: found[1] });
  }
  return words.split(", ").map((one) => (words.includes(", ") ? said(one) : genreName(one))).join(", ");
}
