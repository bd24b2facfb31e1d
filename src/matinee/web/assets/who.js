// The user menu in the header: choose another user, a new name, or a new guest; take a guest's films along; the language;
// sign out, where a password is demanded.
// There are no accounts.

import { ask } from "./ask.js";
import { html, inOneLine } from "./html.js";
import { can, ratedBy } from "./marks.js";
import { language, languages, speak, t } from "./strings.js";
import { toast } from "./toast.js";

const WAIT = 120; // milliseconds after the last key before users are requested
const MAX_NAME = 64;
const GUEST = /^guest-[0-9a-f]{8,16}$/;

const FRAME = html`<div class="who">
  <button type="button" class="plain" aria-expanded="false" aria-controls="who-panel"><span class="seen-not">${t("who.you")} </span><span class="head" aria-hidden="true"></span><span class="user"></span></button>
  <form id="who-panel" class="panel" aria-label="${t("who.title")}" hidden>
    <label for="who-name">${t("who.name")}</label>
    <input id="who-name" type="text" list="who-users" autocomplete="off" spellcheck="false" />
    <datalist id="who-users"></datalist>
    <p class="fault" role="alert"></p>
    <div class="row">
      <button class="plain strong">${t("who.choose")}</button>
      <button type="button" class="plain" data-guest>${t("who.guest")}</button>
      <button type="button" class="plain" data-back hidden></button>
      <button type="button" class="plain" data-out hidden>${t("who.out")}</button>
    </div>
    <p class="quiet small">${t("who.about")}</p>
    <label for="who-language">${t("language")}</label>
    <select id="who-language">${Object.entries(languages).map(([code, name]) => html`<option value="${code}" lang="${code}"${code === language && html` selected`}>${name}</option>`)}</select>
  </form>
  <div class="panel claim" role="group" aria-labelledby="claim-ask" hidden><p id="claim-ask"></p>
    <div class="row"><button type="button" class="plain strong" data-claim>${t("claim.yes")}</button><button type="button" class="plain" data-leave>${t("claim.no")}</button></div></div>
</div>`;

function nameError(name) {
  if (!name) return t("who.write");
  const length = Array.from(name).length;
  if (length > MAX_NAME) return t("who.long", { most: MAX_NAME, length });
  if (/[/\u0000-\u001f]/.test(name)) return t("who.slash");
  return "";
}

export function mount({ root, props, trigger, watch }) {
  const matinee = window.matinee;
  root.innerHTML = FRAME;
  const [open, panel] = [root.querySelector("button"), root.querySelector(".panel")];
  const [box, list, back] = [root.querySelector("input"), root.querySelector("datalist"), root.querySelector("[data-back]")];
  const show = (visible) => {
    panel.hidden = !visible;
    open.setAttribute("aria-expanded", String(visible));
    root.querySelector(".fault").textContent = "";
    if (!visible) return;
    box.value = "";
    back.hidden = matinee.kept() === matinee.args.user;
    back.textContent = t("who.back", { name: matinee.kept() });
    matinee.fire(trigger, "users", { prefix: "" });
    box.focus();
  };
  const named = () => {
    root.querySelector(".user").textContent = matinee.args.user;
  };
  const choose = (name) => {
    const error = nameError(name);
    root.querySelector(".fault").textContent = error;
    if (error) return;
    show(false);
    open.focus();
    const guest = matinee.args.user;
    const count = GUEST.test(guest) && !GUEST.test(name) && can.claim ? ratedBy(guest) : 0;
    matinee.become(name);
    matinee.goAs(name);
    if (!count) return;
    claim.dataset.guest = guest;
    claim.querySelector("p").textContent = t("claim.ask", { guest, count });
    claim.hidden = false;
    claim.querySelector("[data-claim]").focus();
  };
  const claim = root.querySelector(".claim");
  const leave = () => {
    claim.hidden = true;
    open.focus();
  };
  claim.addEventListener("click", async (event) => {
    if (event.target.closest("[data-leave]")) return leave();
    if (!event.target.closest("[data-claim]")) return;
    const { guest } = claim.dataset;
    const answer = await ask("claim", {}, { user: matinee.args.user, guest });
    leave();
    toast(answer.error ? inOneLine(answer.error) : t("claim.done", { guest }));
    if (!answer.error) matinee.goAs(matinee.args.user);
  });
  root.querySelector("#who-language").addEventListener("change", ({ target }) => speak(target.value));
  let timer = 0;
  open.addEventListener("click", () => show(panel.hidden));
  panel.addEventListener("submit", (event) => {
    event.preventDefault();
    choose(box.value.trim());
  });
  root.querySelector("[data-guest]").addEventListener("click", () => choose(matinee.guest()));
  const out = root.querySelector("[data-out]");
  out.hidden = !matinee.signedIn;
  out.addEventListener("click", () => {
    const form = Object.assign(document.createElement("form"), { method: "post", action: "sign-out" });
    document.body.append(form);
    form.submit();
  });
  back.addEventListener("click", () => choose(matinee.kept()));
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(() => matinee.fire(trigger, "users", { prefix: box.value.slice(0, MAX_NAME) }), WAIT);
  });
  root.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !claim.hidden) return leave();
    if (event.key !== "Escape" || panel.hidden) return;
    show(false);
    open.focus();
  });
  addEventListener("pointerdown", (event) => !root.contains(event.target) && !panel.hidden && show(false));
  addEventListener("matinee:user", named);
  watch("value", () => {
    const users = props.value?.items ?? [];
    list.innerHTML = html`${users.map((user) => html`<option value="${user.user_id}">${t("film.ratings.count", { count: user.ratings })}</option>`)}`;
  });
  named();
}
