// The heading of "More like this".

import { html } from "./html.js";

export function mount({ root }) {
  root.innerHTML = html`<h2>More films like one you know</h2>`;
}
