// Faults in force, and the forms that add one and take one away. The list is replaced as a whole, as the API does.

import { change, read } from "./api.js";
import { badge, el, field, patch, select, table } from "./dom.js";
import { told } from "./notice.js";
import { t } from "./words.js";

const TONES = { armed: "note", waiting: "busy", spent: "off" };

/** Read the rules as they are now, change the list, put it in force. */
function replaced(edit) {
  return told(async () => {
    const rows = (await read("faults", {})).view.rows;
    const { rules } = await change("PUT", "faults", { rules: edit(rows.map((row) => row.rule)) });
    return `${t("faults.changed")}: ${rules.length}`;
  });
}

export function faults(options) {
  const columns = ["kind", "match", "when", "how", "seen", "fired", "status", ""].map((key) => ["", key && t(key)]);
  const { element, body } = table(t("faults.in_force"), columns);
  const all = el("button", { type: "button", onclick: () => replaced(() => []) }, t("remove_all"));
  return {
    elements: [el("h2", {}, t("faults.in_force")), element, el("p", {}, all), form(options)],
    update(data) {
      patch(body, data.rows, new Map(), columns.length, cells, () => "");
      all.hidden = !data.rows.length;
    },
  };
}

function cells(row) {
  const rule = JSON.stringify(row.rule);
  const remove = () => replaced((rules) => rules.filter((one, place) => place !== row.key || JSON.stringify(one) !== rule));
  return [
    el("th", { scope: "row" }, row.kind, row.name ? el("span", { class: "quiet-text" }, ` ${row.name}`) : ""),
    el("td", {}, chips(row.match) ?? t("everything")),
    el("td", {}, chips(row.when) ?? t("always")),
    el("td", {}, chips(row.fault) ?? ""),
    el("td", { class: "number" }, row.seen.toLocaleString()),
    el("td", { class: "number" }, row.fired.toLocaleString()),
    el("td", {}, badge(TONES[row.state], t(`fault.${row.state}`))),
    el("td", {}, el("button", { type: "button", "aria-label": `${t("remove")} ${row.kind}`, onclick: remove }, t("remove"))),
  ];
}

function chips(mapping) {
  const entries = Object.entries(mapping);
  return entries.length ? entries.map(([name, value]) => el("span", { class: "chip" }, el("span", { class: "quiet-text" }, `${name} `), typeof value === "object" ? JSON.stringify(value) : String(value))) : null;
}

function form(options) {
  const text = (name, extra = {}) => el("input", { name, autocomplete: "off", spellcheck: "false", ...extra });
  const number = (name, extra) => el("input", { name, type: "number", ...extra });
  const node = el("form", { class: "card" },
    el("h3", {}, t("add.fault")),
    el("div", { class: "fields" },
      field(t("kind"), select("kind", options.faults.map((kind) => [kind, kind]))),
      field(t("service"), select("service", [["", t("any")], ...options.services.map((name) => [name, name])])),
      field(t("action"), text("action", { list: "fault-actions", placeholder: "Describe*" })),
      field(t("region"), text("region", { placeholder: "cn-hangzhou" })),
      field(t("resource"), text("resource", { placeholder: "i-*" })),
      field(t("probability"), number("probability", { min: 0, max: 1, step: "any", placeholder: "1" })),
      field(t("every"), number("every", { min: 1, step: 1, placeholder: "1" })),
      field(t("times"), number("times", { min: 0, step: 1 })),
      field(t("http"), number("status", { min: 400, max: 599, step: 1 })),
      field(t("code"), text("code")),
      field(t("seconds"), number("seconds", { min: 0, step: "any" }))),
    el("datalist", { id: "fault-actions" }, options.actions.map((name) => el("option", { value: name }))),
    el("p", { class: "hint" }, t("faults.hint")),
    el("button", { type: "submit", class: "primary" }, t("add")));
  node.addEventListener("submit", (event) => {
    event.preventDefault();
    const rule = ruled(Object.fromEntries(new FormData(node)));
    replaced((rules) => [...rules, rule]);
  });
  return node;
}

/** Turn the form's texts into a rule; what is left empty is left out. `seconds` means what the kind makes of it. */
function ruled(given) {
  const filled = (names, turn = (value) => value) =>
    Object.fromEntries(names.filter((name) => given[name].trim() !== "").map((name) => [name, turn(given[name].trim())]));
  const fault = { kind: given.kind, ...filled(["status"], Number), ...filled(["code"]) };
  if (given.seconds !== "") {
    const seconds = Number(given.seconds);
    if (given.kind === "latency") fault.latency = { mean: seconds };
    else if (given.kind === "stale-read") fault.age_seconds = seconds;
    else if (given.kind === "effect-then-timeout") fault.hold_seconds = seconds;
    else fault.delay_seconds = seconds;
  }
  return { match: filled(["service", "action", "region", "resource"]), when: filled(["probability", "every", "times"], Number), fault };
}
