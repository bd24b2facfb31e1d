// Links to the screens of earlier systems.

import { draw, html } from "./html.js";
import { t } from "./strings.js";

const SCREENS = ["for-you", "match", "similar", "favourites"];

const link = (tab) => html`<li><a href="?tab=${tab}" data-go><strong lang="en">${t(`tab.${tab}`)}</strong><span class="quiet">${t(`classic.${tab}`)}</span></a></li>`;

export function mount(view) {
  draw(view, () => html`<section class="classic"><h2>${t("classic.title")}</h2><p class="quiet">${t("classic.about")}</p><ul>${SCREENS.map(link)}</ul></section>`);
}
