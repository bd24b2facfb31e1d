// A list for two or more people: who they are, how to agree, and films for all of them.

import { ask } from "./ask.js";
import { card, listenToCards } from "./cards.js";
import { html, trouble } from "./html.js";
import { can, ready } from "./marks.js";
import { reason } from "./reasons.js";
import { t } from "./strings.js";

const LEAST = 2;
const MOST = 6;
const WAYS = ["least_misery", "average"];

const person = (name, place) => html`<label for="person-${place}"><span>${t("together.person", { number: place + 1 })}</span>
  <input id="person-${place}" name="person" type="text" value="${name}" list="who-users" autocomplete="off" spellcheck="false" maxlength="64" /></label>`;

const form = (people, way) => html`<form class="people"><h2 tabindex="-1">${t("together.title")}</h2><p class="quiet">${t("together.how")}</p>
  <div class="names">${people.map(person)}${people.length < MOST && html`<button type="button" class="plain" data-add>${t("together.add")}</button>`}</div>
  <fieldset class="ways"><legend>${t("together.way")}</legend>${WAYS.map((one) => html`<label><input type="radio" name="way" value="${one}"${one === way && html` checked`} /> <span>${t(`together.${one}`)}</span></label>`)}</fieldset>
  <p class="fault" role="alert"></p>
  <button class="plain strong">${t("together.go")}</button></form>`;

/** What each person would give, in the order of their names. */
function shares(film, people) {
  const each = film.people ?? film.members ?? film.users ?? [];
  const told = Array.isArray(each) ? each.map((one, place) => [one.user_id ?? people[place], one.stars ?? one.score]) : Object.entries(each);
  return told.filter(([, stars]) => typeof stars === "number").map(([name, stars]) => `${name} ★ ${stars.toFixed(1)}`).join(" · ");
}

export function mount({ root, props, watch }) {
  const { matinee } = window;
  root.innerHTML = '<div class="together"><div class="who-comes"></div><p class="seen-not" role="status"></p><div class="found"></div></div>';
  const [top, said, found] = root.firstElementChild.children;
  let drawn = 0;
  const names = () => [...top.querySelectorAll("input[name=person]")].map((one) => one.value.trim());

  const show = async () => {
    const value = props.value;
    if (!value || typeof value !== "object") return;
    const mine = ++drawn;
    await ready();
    if (mine !== drawn) return;
    if (!can.group) {
      top.innerHTML = String(html`<h2>${t("together.title")}</h2><p class="empty">${t("together.missing")}</p>`);
      return;
    }
    const people = value.people?.length ? [...value.people] : [matinee.args.user];
    while (people.length < LEAST) people.push("");
    const way = WAYS.includes(value.way) ? value.way : WAYS[0];
    top.innerHTML = String(form(people, way));
    found.innerHTML = "";
    if ((value.people?.length ?? 0) < LEAST) return;
    const answer = await ask("together", {}, { people: value.people, way, n: 24 });
    if (mine !== drawn) return;
    if (answer.error) return void (found.innerHTML = String(trouble(answer.error)));
    found.innerHTML = String(html`<section aria-labelledby="together-list"><h2 id="together-list" tabindex="-1">${t("together.list", { names: new Intl.ListFormat(document.documentElement.lang).format(value.people) })}</h2>
      ${answer.items.length ? html`<ul class="posters" data-goes>${answer.items.map((film) => card(film, { why: shares(film, value.people) || reason(film) || "" }))}</ul>` : html`<p class="empty">${t("tonight.none")}</p>`}</section>`);
    said.textContent = t("search.count", { count: answer.items.length });
    root.dataset.shown = String(answer.items.length);
  };

  root.addEventListener("click", (event) => {
    if (!event.target.closest("[data-add]")) return;
    const way = top.querySelector("[name=way]:checked")?.value;
    top.innerHTML = String(form([...names(), ""], way));
    [...top.querySelectorAll("input[name=person]")].at(-1).focus();
  });
  root.addEventListener("submit", (event) => {
    event.preventDefault();
    const people = [...new Set(names().filter(Boolean))];
    const fault = people.length < LEAST ? t("together.few") : people.some((one) => /[,/]/.test(one)) ? t("together.comma") : "";
    top.querySelector(".fault").textContent = fault;
    if (fault) return;
    const way = top.querySelector("[name=way]:checked").value;
    matinee.go(`?${new URLSearchParams({ tab: "together", people: people.join(","), ...(way === WAYS[0] ? {} : { way }) })}`);
  });
  listenToCards(root.firstElementChild);
  watch("value", show);
  show();
}
