// On a phone the controls of "For you" are hidden behind this button.

import { html } from "./html.js";

export function mount({ root }) {
  root.innerHTML = html`<button type="button" class="plain" aria-expanded="false" aria-controls="narrow">Narrow the list down</button>`;
  const button = root.firstElementChild;
  button.addEventListener("click", () => {
    button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
  });
}
