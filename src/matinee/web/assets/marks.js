// What the visitor has rated, seen, put on the list, or does not want; what the core can do. One store for all pages.

import { ask } from "./ask.js";
import { forget, starsFrom } from "./films.js";
import { inOneLine } from "./html.js";
import { t } from "./strings.js";
import { toast } from "./toast.js";

export const STATES = ["watchlist", "seen", "not_interested"];
let known = { user: null, rated: new Map(), sets: {} };
let loading = null;
export let can = {};

function fill(answer) {
  const sets = Object.fromEntries(STATES.map((state) => [state, new Set(answer.marks[state])]));
  known = { user: answer.user, rated: new Map(Object.entries(answer.marks.rated)), sets };
  can = answer.can;
  if (answer.scale) starsFrom(answer.scale[0], answer.scale[0] === answer.scale[1]);
}

/** What `/app/start` tells of a user; asked once at a time. */
export async function start(user) {
  if (loading?.user !== user) {
    const asked = { user, answer: ask("start", { user }) };
    loading = asked;
    asked.answer.finally(() => loading === asked && (loading = null));
  }
  const answer = await loading.answer;
  if (!answer.error) fill(answer);
  return answer;
}

/** Load the marks of the visitor, unless they are there. */
export const ready = async () => (known.user === window.matinee.args.user ? null : start(window.matinee.args.user));

/** How many films a user has rated, as far as that is known here. */
export const ratedBy = (user) => (known.user === user ? known.rated.size : 0);

/** Stars of a film, or null. */
export const starsOf = (id) => known.rated.get(id) ?? null;

/** Whether a film is in a state. */
export const isIn = (state, id) => known.sets[state]?.has(id) ?? false;

function put(id, action, value) {
  if (action === "rating") value === null ? known.rated.delete(id) : known.rated.set(id, value);
  else known.sets[action]?.[value ? "add" : "delete"](id);
  dispatchEvent(new CustomEvent("matinee:marked", { detail: { movie_id: id, action, value } }));
}

/** Do what a click asks for, shown at once; tells the answer's `before`, or null where it was refused. */
export async function act(film, action, value) {
  const id = film.movie_id;
  const was = action === "rating" ? starsOf(id) : isIn(action, id);
  put(id, action, value);
  const answer = await ask("act", {}, { user: window.matinee.args.user, movie_id: id, action, value });
  if (answer.error) {
    put(id, action, was);
    if (action === "rating") dispatchEvent(new CustomEvent("matinee:failed", { detail: { movie_id: id } }));
    toast(inOneLine(answer.error));
    return null;
  }
  window.matinee.stale?.();
  if (action === "rating") {
    if (value === null) forget(id);
    dispatchEvent(new CustomEvent("matinee:rated", { detail: { stars: { [id]: value } } }));
  }
  return { before: answer.before };
}

/** Do it, and say so with a way back. `undone` is called after it was taken back. */
export async function actAndTell(film, action, value, undone = null) {
  const { user } = window.matinee.args;
  const answer = await act(film, action, value);
  if (!answer) return false;
  const before = answer.before ?? (action === "rating" ? null : false);
  toast(told(film, action, value), before === value ? null : async () => {
    if (window.matinee.args.user !== user) return; // somebody else has come: it is not theirs to take back
    if (!(await act(film, action, before))) return;
    toast(t("undone", { title: film.title }));
    undone?.();
  });
  return true;
}

function told(film, action, value) {
  const title = film.title;
  if (action === "rating") return value === null ? t("did.unrate", { title }) : t("did.rate", { title, stars: value });
  return t(`did.${action}.${value ? "on" : "off"}`, { title });
}

addEventListener("matinee:rated", ({ detail }) => {
  for (const [id, stars] of Object.entries(detail.stars)) {
    if (stars === null || stars === undefined) known.rated.delete(id);
    else known.rated.set(id, stars);
  }
});
