// Watches the calls of the web app: shows a progress bar during long calls, and, if the web app does not answer, undoes
// unconfirmed clicks and shows a notice. (If the core does not answer, answers say so: see `trouble` in html.js.)

import { t } from "./strings.js";

const matinee = window.matinee;
const SHOWN = 8000; // milliseconds for which a notice is shown
const GRADIO_SAYS = "Connection to the server was lost";

let timer = 0;
/** Show a notice at the bottom of the window for a while. */
matinee.say = (words) => {
  let notice = document.getElementById("notice");
  if (!notice) {
    notice = Object.assign(document.createElement("div"), { id: "notice" });
    notice.setAttribute("role", "status");
    (document.querySelector(".contain") ?? document.body).append(notice);
  }
  notice.textContent = words;
  clearTimeout(timer);
  timer = setTimeout(() => notice.replaceChildren(), SHOWN);
};

/** Called when a call of the web app got no answer. */
matinee.failed = () => {
  matinee.showPages();
  dispatchEvent(new CustomEvent("matinee:failed", { detail: {} }));
  matinee.say(t("error.silent.stays"));
};

// Gradio does not report broken connections to listeners, so `fetch` is wrapped.
const ask = window.fetch;
let waiting = 0;
const wait = (more) => document.getElementById("pages")?.toggleAttribute("data-waiting", (waiting += more) > 0);
window.fetch = async (...given) => {
  const address = String(given[0]?.url ?? given[0]);
  const run = address.includes("/gradio_api/run/");
  const called = run || address.includes("/app/");
  if (run) wait(1);
  try {
    const answer = await ask(...given);
    if (called && answer.status >= 502) matinee.failed();
    if (called && answer.status === 401 && matinee.signedIn) location.reload(); // which leads to the sign-in page, and back
    return answer;
  } catch (error) {
    if (called && error.name !== "AbortError") matinee.failed();
    throw error;
  } finally {
    if (run) wait(-1);
  }
};

/** Hide Gradio's own error box. When it disappears, the app answers again. */
function watchBox() {
  const boxes = document.querySelector(".toast-wrap");
  if (!boxes) return setTimeout(watchBox, 500);
  const about = (nodes) => [...nodes].filter((node) => node.textContent?.includes(GRADIO_SAYS));
  new MutationObserver((changes) => {
    for (const { addedNodes, removedNodes } of changes) {
      for (const box of about(addedNodes)) box.style.display = "none";
      if (about(removedNodes).length) matinee.say(t("error.back"));
    }
  }).observe(boxes, { childList: true, subtree: true });
}

watchBox();
