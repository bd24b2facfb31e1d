// The user menu in the header: choose another user, a new name, or a new guest; sign out, where a password is demanded.
// There are no accounts.

import { html } from "./html.js";
import { plural } from "./films.js";

const WAIT = 120; // milliseconds after the last key before users are requested
const MAX_NAME = 64;

const FRAME = html`<div class="who">
  <button type="button" class="plain" aria-expanded="false" aria-controls="who-panel"><span class="seen-not">You are </span><span class="head" aria-hidden="true"></span><span class="user"></span></button>
  <form id="who-panel" class="panel" aria-label="Who are you?" hidden>
    <label for="who-name">Your name, or a user's number</label>
    <input id="who-name" type="text" list="who-users" autocomplete="off" spellcheck="false" />
    <datalist id="who-users"></datalist>
    <p class="fault" role="alert"></p>
    <div class="row">
      <button class="plain strong">Choose</button>
      <button type="button" class="plain" data-guest>New guest</button>
      <button type="button" class="plain" data-back hidden></button>
      <button type="button" class="plain" data-out hidden>Sign out</button>
    </div>
    <p class="quiet small">A new name is a new user. Anybody may be anyone here: there are no passwords of one's own.</p>
  </form>
</div>`;

function nameError(name) {
  if (!name) return "Write a name first.";
  const length = Array.from(name).length;
  if (length > MAX_NAME) return `A name has at most ${MAX_NAME} characters; this one has ${length.toLocaleString("en-GB")}.`;
  if (/[/\u0000-\u001f]/.test(name)) return "A name cannot hold a slash or a line break.";
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
    back.textContent = `Back to ${matinee.kept()}`;
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
    matinee.become(name);
    matinee.goAs(name);
  };
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
    if (event.key !== "Escape" || panel.hidden) return;
    show(false);
    open.focus();
  });
  addEventListener("pointerdown", (event) => !root.contains(event.target) && !panel.hidden && show(false));
  addEventListener("matinee:user", named);
  watch("value", () => {
    const users = props.value?.items ?? [];
    list.innerHTML = html`${users.map((user) => html`<option value="${user.user_id}">${plural(user.ratings, "rating")}</option>`)}`;
  });
  named();
}
