// Addresses, links within the app, who the visitor is. Views put what a click carries into `matinee.args`.

const matinee = window.matinee;
const KEPT = "matinee.user";
const queries = {}; // tab → the last address seen there
const opened = new Set();
let router = null;

const tabOf = (query) => new URLSearchParams(query).get("tab") || "for-you";

/** The first inputs of a listener by name from `args`, the others as they were given. */
matinee.take = (names, given) => [...names.map((name) => matinee.args[name] ?? null), ...given.slice(names.length)];

/** Put values where the next event's listener finds them, and trigger it. */
matinee.fire = (trigger, event, args = {}) => {
  Object.assign(matinee.args, args);
  trigger(event);
};

/** The page says which address its state has. */
matinee.address = (query) => {
  if (!query) return;
  queries[tabOf(query)] = query;
  opened.add(tabOf(query));
  if (query !== location.search) history.pushState({}, "", query);
};

/** Bring an address back, as a link, the Back button, or the first load asks for. */
matinee.open = (query) => {
  if (router) matinee.fire(router, "open", { query });
};

/** Go to an address of this app. */
matinee.go = (query) => {
  if (query !== location.search) history.pushState({}, "", query);
  matinee.open(query);
  window.scrollTo({ top: 0 });
};

/** A tab was chosen by hand: show what it showed last, or open it for the first time. */
matinee.tab = (id) => {
  if (tabOf(location.search) === id) return;
  const query = queries[id] ?? `?tab=${id}`;
  if (query !== location.search) history.pushState({}, "", query);
  if (!opened.has(id)) matinee.open(query);
};

matinee.ready = (trigger) => {
  router = trigger;
  matinee.open(location.search);
};

/** Be somebody else; kept in this browser. */
matinee.become = (user) => {
  matinee.args.user = user;
  try {
    localStorage.setItem(KEPT, user);
  } catch {
    // Without storage one is a guest for as long as the page is open.
  }
};

function visitor() {
  try {
    const kept = localStorage.getItem(KEPT);
    if (kept) return kept;
  } catch {
    // as above
  }
  const letters = crypto.getRandomValues(new Uint8Array(4));
  return "guest-" + Array.from(letters, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

matinee.become(new URLSearchParams(location.search).get("user") || visitor());
addEventListener("popstate", () => matinee.open(location.search));
addEventListener("click", (event) => {
  if (event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  if (event.target.closest("[data-retry]")) return matinee.open(location.search);
  const link = event.target.closest("a[data-go]");
  if (!link) return;
  event.preventDefault();
  matinee.go(new URL(link.href).search);
});
