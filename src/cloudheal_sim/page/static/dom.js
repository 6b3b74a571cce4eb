// Small pieces of the page. Everything that comes from the cloud goes through text nodes and attributes, never markup.

import { t } from "./words.js";

/** Make an element. Attributes: `on<event>` adds a listener, `true` sets, `false`, null and undefined leave out. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (key.startsWith("on")) node.addEventListener(key.slice(2), value);
    else if (key === "value") node.value = value;
    else node.setAttribute(key, value === true ? "" : value);
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== ""));
  return node;
}

/** The virtual day: instants of this day are shown without their date. */
let today = "";

export function setToday(millis) {
  today = new Date(millis).toISOString().slice(0, 10);
}

/** An instant (epoch milliseconds, UTC) as a time element; the whole of it is its title. */
export function instant(millis, digits = 0, dated = false) {
  if (millis === null || millis === undefined) return "";
  const iso = new Date(millis).toISOString();
  const day = !dated && iso.startsWith(today) ? "" : `${iso.slice(0, 10)} `;
  return el("time", { datetime: iso, title: iso }, `${day}${iso.slice(11, digits ? 20 + digits : 19)}`);
}

/** A span of seconds in words that need no translation. */
export function span(seconds) {
  const parts = [[86400, "d"], [3600, "h"], [60, "min"]];
  for (const [size, unit] of parts) {
    if (seconds >= size && seconds % size === 0) return `${seconds / size} ${unit}`;
  }
  return `${Math.round(seconds * 1000) / 1000} s`;
}

const MARKS = {
  good: "●", bad: "▲", busy: "◐", off: "■", note: "◆",
};

/** A state: a mark, a colour and always the word itself. */
export function badge(tone, ...words) {
  return el("span", { class: `badge ${tone}` }, el("span", { "aria-hidden": "true" }, MARKS[tone]), " ", ...words);
}

/** A list of names and values; empty values are left out. */
export function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined && value !== false);
  return el("dl", {}, shown.map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
}

/** A table with a head; rows are put into its body by `patch`. Columns are [class, text]. */
export function table(caption, columns) {
  const body = el("tbody");
  const head = columns.map(([kind, text]) => el("th", { scope: "col", class: kind }, text));
  const whole = el("table", {}, el("caption", { class: "quiet" }, caption), el("thead", {}, el("tr", {}, head)), body);
  return { element: el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption }, whole), body };
}

/** A button in a row that opens its details; `open` holds the keys of the open rows. */
export function opener(key, label, open, toggle) {
  return el("button", {
    type: "button", class: "opener", "aria-expanded": String(open.has(String(key))), "data-focus": "open",
    "aria-label": `${t("show")} ${label.textContent ?? label}`, onclick: () => toggle(String(key)),
  }, el("span", { "aria-hidden": "true" }, open.has(String(key)) ? "▾" : "▸"), " ", label);
}

/**
 * Bring a table's body up to date. A row whose data did not change keeps its nodes, so focus, selection and scrolling
 * survive; the same update twice changes nothing. `build(row, detail)` returns the cells; `detail` is what `opened`
 * holds for the row's key (undefined while closed, null while it is on its way).
 */
export function patch(body, rows, opened, columns, build, describe) {
  const old = new Map([...body.children].map((node) => [node.dataset.key, node]));
  const wanted = [];
  for (const row of rows) {
    const key = String(row.key);
    const detail = opened.get(key);
    wanted.push(kept(old.get(key), key, [row, detail !== undefined], () => el("tr", {}, build(row))));
    if (detail === undefined) continue;
    const make = () => el("tr", { class: "detail" }, el("td", { colspan: columns }, detail ? describe(detail, row) : t("loading")));
    wanted.push(kept(old.get(`${key} detail`), `${key} detail`, detail, make));
  }
  if (!wanted.length) {
    wanted.push(kept(old.get(" empty"), " empty", 0, () => el("tr", {}, el("td", { colspan: columns, class: "empty" }, t("empty")))));
  }
  arrange(body, wanted);
}

function kept(node, key, data, make) {
  const print = JSON.stringify([today, data]);
  if (node && node.print === print) return node;
  const fresh = make();
  fresh.dataset.key = key;
  fresh.print = print;
  if (node && node.contains(document.activeElement)) fresh.refocus = document.activeElement.dataset.focus;
  return fresh;
}

function arrange(body, wanted) {
  wanted.forEach((node, place) => {
    if (body.children[place] !== node) body.insertBefore(node, body.children[place] ?? null);
  });
  const keep = new Set(wanted);
  for (const node of [...body.children]) if (!keep.has(node)) node.remove();
  for (const node of wanted) {
    if (!node.refocus) continue;
    node.querySelector(`[data-focus="${CSS.escape(node.refocus)}"]`)?.focus();
    node.refocus = null;
  }
}

/** A labelled field of a form. */
export function field(label, control) {
  return el("label", {}, el("span", {}, label), control);
}

/** A select from [value, text] pairs. */
export function select(name, pairs, value = "") {
  const node = el("select", { name }, pairs.map(([key, text]) => el("option", { value: key, selected: key === value }, text)));
  return node;
}
