// Addresses, links within the app, who the visitor is. Views put what a click carries into `matinee.args`.

import "./outage.js";

const matinee = window.matinee;
const KEPT = "matinee.user";
const HOME = "for-you"; // the page whose addresses say who one is
const NOT_TAKEN = 60; // milliseconds: an event that nobody listens to, or that is left out, takes nothing
const RATING = new Set(["rate", "unrate"]);
const queries = {}; // tab → the last address seen there
const opened = new Set();
const overtaken = new Set(); // addresses that one had left before they were open
let opening = null;
let router = null;
let revealed = null; // the tab that was scrolled to last
let fired = Promise.resolve();
let taken = () => {};

const tabOf = (query) => new URLSearchParams(query).get("tab") || HOME;

/** The first inputs of a listener by name from `args`, the others as they were given. */
matinee.take = (names, given) => {
  const values = [...names.map((name) => matinee.args[name] ?? null), ...given.slice(names.length)];
  taken(names);
  return values;
};

/** Put values where the next event's listener finds them, and trigger it; the event after it waits until they are taken. */
matinee.fire = (trigger, event, args = {}) => {
  if (RATING.has(event) && tabOf(location.search) !== HOME) opened.delete(HOME); // its list is of yesterday now
  fired = fired.then(() => {
    Object.assign(matinee.args, args);
    trigger(event);
    return new Promise((next) => {
      const mine = Object.keys(args);
      taken = (names) => mine.every((name) => names.includes(name)) && next(); // not by an earlier event, answered late
      setTimeout(next, NOT_TAKEN);
    });
  });
};

/** What the window is called: "Alien – Matinee". */
matinee.title = (words) => {
  document.title = words ? `${words} – Matinee` : "Matinee";
};

function seen(query) {
  queries[tabOf(query)] = query;
  const tab = document.querySelector(`[data-tab-id="${CSS.escape(tabOf(query))}"]`);
  matinee.title(tab?.textContent.trim());
  if (tab && tab !== revealed) reveal(tab);
  revealed = tab;
}

/** The row of tabs, which on a phone is wider than the window, goes to where a tab is seen. */
function reveal(tab) {
  const row = tab.parentElement;
  row.scrollTo({ left: tab.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2 });
}

function push(query) {
  seen(query);
  if (query !== location.search) history.pushState({}, "", query);
}

/** The page says which address its state has. */
matinee.address = (query) => {
  if (!query) return;
  opened.add(tabOf(query));
  matinee.showPages();
  if (query === opening) opening = null;
  if (overtaken.has(query)) return;
  overtaken.clear();
  if (tabOf(query) === tabOf(location.search)) push(query);
  else queries[tabOf(query)] = query; // an answer that came after one had gone to another tab
};

/** A call of `open` was answered. On a loaded machine Gradio may lose the change of address that came with it. */
matinee.answered = (query) => opened.has(tabOf(query)) || matinee.address(query);

/** Until the first address is open, its page is not the one that Gradio shows: none is seen. */
matinee.showPages = () => document.documentElement.toggleAttribute("data-open", true);

/** Bring an address back, as a link, the Back button, or the first load asks for. */
matinee.open = (query) => {
  const params = new URLSearchParams(query);
  if (tabOf(query) === HOME) {
    if (params.get("user")) be(params.get("user"));
    params.set("tab", HOME);
    params.set("user", matinee.args.user);
    query = `?${params}`;
    if (query !== location.search) history.replaceState({}, "", query);
  }
  seen(query);
  if (opening && opening !== query) overtaken.add(opening);
  overtaken.delete(query);
  opening = query;
  if (router) matinee.fire(router, "open", { query });
};

/** Go to an address of this app. */
matinee.go = (query) => {
  push(query);
  matinee.open(query);
  window.scrollTo({ top: 0 });
};

/** The list of another user, as it is set here. */
matinee.goAs = (user) => {
  const params = new URLSearchParams(queries[HOME] ?? "");
  params.set("tab", HOME);
  params.set("user", user);
  matinee.go(`?${params}`);
};

/** A tab was chosen by hand: show what it showed last, or open it for the first time. */
matinee.tab = (id) => {
  // Gradio says so of the first tab too, before the address of the page is opened.
  if (!opened.size || tabOf(location.search) === id) return;
  if ([...overtaken].some((query) => tabOf(query) === id)) return; // its answer came late, and one has gone on
  const query = queries[id] ?? `?tab=${id}`;
  push(query);
  if (!opened.has(id)) matinee.open(query);
};

matinee.ready = (trigger) => {
  router = trigger;
  matinee.open(location.search);
};

function be(user) {
  matinee.args.user = user;
  dispatchEvent(new CustomEvent("matinee:user"));
}

/** Be somebody else; kept in this browser. (Who opens a link to somebody's list is that user only as long.) */
matinee.become = (user) => {
  keep(user);
  be(user);
};

function keep(user) {
  matinee.mine = user;
  try {
    localStorage.setItem(KEPT, user);
  } catch {
    // Without storage one is a guest for as long as the page is open.
  }
}

/** Who one is in this browser. */
matinee.kept = () => {
  try {
    return localStorage.getItem(KEPT) || matinee.mine;
  } catch {
    return matinee.mine;
  }
};

/** A name that nobody has. */
matinee.guest = () => {
  const letters = crypto.getRandomValues(new Uint8Array(4));
  return "guest-" + Array.from(letters, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

if (!matinee.kept()) keep(matinee.guest());
be(matinee.kept());
addEventListener("matinee:failed", () => opened.size || matinee.again()); // there is nothing yet to try again from
addEventListener("focusin", ({ target }) => target.matches("#pages > .tab-wrapper [role=tab]:focus-visible") && reveal(target));
addEventListener("popstate", () => matinee.open(location.search));
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (event.target.closest("[data-retry]")) return matinee.open(location.search);
  const link = event.target.closest("a[data-go]");
  if (!link) return;
  event.preventDefault();
  matinee.go(new URL(link.href).search);
});
