// Addresses, links within the app, and the current user. Views put the values of a click into `matinee.args`.

import "./outage.js";
import { relabel } from "./strings.js";

const matinee = window.matinee;
const KEPT = "matinee.user";
const HOME = "tonight"; // the page of an address without a tab
const PERSONAL = new Set([HOME, "for-you"]); // pages whose addresses have the user
const CLASSIC = new Set(["classic", "for-you", "match", "similar", "favourites"]); // pages of earlier systems, in English
const TIMEOUT = 60; // milliseconds to wait for an event that is skipped or has no listener
const RATING = new Set(["rate", "unrate"]);
const queries = {}; // tab → the last address seen there
const opened = new Set();
const overtaken = new Set(); // addresses that the visitor left before they were open
let opening = null;
let router = null;
let clicked = null; // the tab that the visitor chose last
let revealed = null; // the tab that was scrolled to last
let fired = Promise.resolve();
let taken = () => {};

const tabOf = (query) => new URLSearchParams(query).get("tab") || HOME;

/** Inputs of a listener: the first by name from `args`, the others as given. */
matinee.take = (names, given) => {
  const values = [...names.map((name) => matinee.args[name] ?? null), ...given.slice(names.length)];
  taken(names);
  return values;
};

/** Set values for the listener of an event, and trigger it. The next event waits until the values were read. */
matinee.fire = (trigger, event, args = {}) => {
  if (RATING.has(event)) matinee.stale();
  fired = fired.then(() => {
    Object.assign(matinee.args, args);
    trigger(event);
    return new Promise((next) => {
      const mine = Object.keys(args);
      taken = (names) => mine.every((name) => names.includes(name)) && next(); // not those of an earlier event, sent late
      setTimeout(next, TIMEOUT);
    });
  });
};

/** Called when a film was rated or marked: lists on other pages are outdated now. */
matinee.stale = () => {
  for (const tab of PERSONAL) if (tab !== tabOf(location.search)) opened.delete(tab);
};

/** Set the title of the window: "Alien – Matinee". */
matinee.title = (words) => {
  document.title = words ? `${words} – Matinee` : "Matinee";
};

function seen(query) {
  queries[tabOf(query)] = query;
  relabel();
  const pages = document.getElementById("pages");
  if (pages) {
    pages.dataset.group = CLASSIC.has(tabOf(query)) ? "classic" : "";
    for (const tab of document.querySelectorAll("[data-tab-id]")) {
      document.getElementById(`page-${tab.dataset.tabId}`)?.setAttribute("aria-label", tab.textContent.trim()); // Gradio's panels have no name
    }
    for (const id of CLASSIC) {
      if (id === "classic") continue;
      for (const part of [document.getElementById(`page-${id}`), document.querySelector(`[data-tab-id="${id}"]`)]) part?.setAttribute("lang", "en");
    }
  }
  const tab = document.querySelector(`[data-tab-id="${CSS.escape(tabOf(query))}"]`);
  matinee.title(tab?.textContent.trim());
  if (tab && tab !== revealed) {
    widths.disconnect();
    widths.observe(tab); // which tells its width now, and when it is selected and grows
  }
  revealed = tab;
}

/** Scroll the row of tabs, which is wider than a phone, to a tab. */
function reveal(tab) {
  const row = tab.parentElement;
  row.scrollTo({ left: tab.offsetLeft - (row.clientWidth - tab.offsetWidth) / 2 });
}

const widths = new ResizeObserver(([{ target }]) => reveal(target));

function push(query) {
  seen(query);
  if (query !== location.search) history.pushState({}, "", query);
}

/** Set the address to that of the state of a page. */
matinee.address = (query) => {
  if (!query) return;
  opened.add(tabOf(query));
  matinee.showPages();
  if (query === opening) opening = null;
  if (overtaken.has(query)) return;
  overtaken.clear();
  if (tabOf(query) === tabOf(location.search)) push(query);
  else queries[tabOf(query)] = query; // the visitor went to another tab before the answer came
};

/** Called with the answer to `open`. Under load Gradio may lose the change event of the address. */
matinee.answered = (query) => opened.has(tabOf(query)) || matinee.address(query);

/** Show the pages. Before the first address is open, Gradio would show another page. */
matinee.showPages = () => document.documentElement.toggleAttribute("data-open", true);

/** Restore the state of an address: of a link, the Back button, or the first load. */
matinee.open = (query) => {
  const params = new URLSearchParams(query);
  if (PERSONAL.has(tabOf(query))) {
    if (params.get("user")) be(params.get("user"));
    params.set("tab", tabOf(query));
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

/** Go to the list of another user, with the current options. */
matinee.goAs = (user) => {
  const tab = PERSONAL.has(tabOf(location.search)) ? tabOf(location.search) : HOME;
  const params = new URLSearchParams(queries[tab] ?? "");
  params.delete("pick");
  params.set("tab", tab);
  params.set("user", user);
  matinee.go(`?${params}`);
};

/** Called when a tab is shown. Of one that was clicked: show its last state, or open it for the first time. */
matinee.tab = (id) => {
  // Gradio also calls this for the first tab, before the address is open.
  if (!opened.size || tabOf(location.search) === id) return;
  if (clicked !== id) return matinee.open(location.search); // a late answer showed it, and the visitor has left it
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

/** Switch to another user and remember it in this browser. (A link to a user's list does not change what is remembered.) */
matinee.become = (user) => {
  keep(user);
  be(user);
};

function keep(user) {
  matinee.mine = user;
  try {
    localStorage.setItem(KEPT, user);
  } catch {
    // Without storage the user is remembered only while the page is open.
  }
}

/** The user remembered in this browser. */
matinee.kept = () => {
  try {
    return localStorage.getItem(KEPT) || matinee.mine;
  } catch {
    return matinee.mine;
  }
};

/** A new name. */
matinee.guest = () => {
  const letters = crypto.getRandomValues(new Uint8Array(8));
  return "guest-" + Array.from(letters, (byte) => byte.toString(16).padStart(2, "0")).join("");
};

if (!matinee.kept()) keep(matinee.guest());
be(matinee.kept());
addEventListener("matinee:failed", () => opened.size || matinee.again()); // no page is open yet that could show an error
addEventListener("focusin", ({ target }) => target.matches("#pages > .tab-wrapper [role=tab]:focus-visible") && reveal(target));
addEventListener("popstate", () => {
  clicked = null;
  matinee.open(location.search);
});
addEventListener("click", ({ target }) => (clicked = target.closest("[data-tab-id]")?.dataset.tabId ?? null), true);
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (event.target.closest("[data-retry]")) return matinee.open(location.search);
  const link = event.target.closest("a[data-go]");
  if (!link) return;
  event.preventDefault();
  matinee.go(new URL(link.href).search);
});
