// The frame: navigation, clock, and one poll a second of the view that is looked at. A hidden tab asks for nothing.

import { read } from "./api.js";
import { clock } from "./clock.js";
import { el } from "./dom.js";
import { events } from "./events.js";
import { faults } from "./faults.js";
import { instances } from "./instances.js";
import { journal } from "./journal.js";
import { notice } from "./notice.js";
import { queues } from "./queues.js";
import { address, here } from "./route.js";
import { load, t } from "./words.js";

const VIEWS = { instances, queues, events, faults, journal };
const PAUSE = 1000;
const main = document.getElementById("content");
const live = document.getElementById("live");
const links = {};
let options = {};
let shown = { name: "", view: null };
let timer = 0;
let asking = null;

function link(name) {
  links[name] = { count: el("span", { class: "count" }), anchor: null };
  links[name].anchor = el("a", { href: address(name) }, t(name), links[name].count);
  return links[name].anchor;
}

/** Build the view of the address anew, with its filters filled in. What filters change themselves does not come here. */
function enter() {
  const name = here().view in VIEWS ? here().view : "instances";
  shown = { name, view: VIEWS[name](options) };
  main.replaceChildren(...shown.view.elements);
  document.title = `${t(name)} · ${t("title")} · cloudheal`;
  for (const [each, { anchor }] of Object.entries(links)) {
    if (each === name) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
}

async function poll() {
  clearTimeout(timer);
  asking?.abort();
  const mine = asking = new AbortController();
  const asked = shown;
  try {
    const state = await read(asked.name, here().parameters, mine.signal);
    if (mine.signal.aborted) return;
    notice.online();
    clock.update(state.head.clock);
    for (const [name, { count }] of Object.entries(links)) {
      const number = state.head.counts[name];
      count.textContent = number === undefined ? "" : number.toLocaleString();
    }
    if (asked === shown) shown.view.update(state.view);
  } catch (problem) {
    if (mine.signal.aborted) return;
    notice.offline();
  }
  if (live.checked && !document.hidden) timer = setTimeout(poll, PAUSE);
}

function moved() {
  enter();
  poll();
}

function otherTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme ?? (dark ? "dark" : "light");
  const next = now === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  localStorage.setItem("theme", next);
}

async function start() {
  await load();
  document.getElementById("nav").append(...Object.keys(VIEWS).map(link));
  document.getElementById("clock").append(...clock.elements(poll));
  document.getElementById("theme").addEventListener("click", otherTheme);
  document.getElementById("skip").addEventListener("click", (event) => { event.preventDefault(); main.focus(); });
  const language = document.getElementById("language");
  language.addEventListener("click", () => { language.hash = location.hash; });
  live.addEventListener("change", poll);
  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : poll()));
  window.addEventListener("hashchange", moved);
  window.addEventListener("amended", poll);
  window.addEventListener("changed", poll);
  options = (await read("options", {})).view;
  moved();
}

start().catch(() => notice.offline());
