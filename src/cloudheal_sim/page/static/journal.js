// What was asked, answered and changed, youngest first.

import { badge, el, facts, instant, opener, patch, table } from "./dom.js";
import { backwards, filters } from "./filters.js";
import { open, opened, toggle } from "./route.js";
import { t } from "./words.js";

const KINDS = ["request", "change", "event", "delivery"];
const VERDICTS = ["valid", "refused", "failed", "fault"];

export function journal(options) {
  const actions = el("datalist", { id: "actions" }, options.actions.map((name) => el("option", { value: name })));
  const form = filters([
    { name: "text", label: t("text"), placeholder: t("search.journal") },
    { name: "service", label: t("service"), options: options.services.map((name) => [name, name]) },
    { name: "kind", label: t("kind"), options: KINDS.map((kind) => [kind, t(`kind.${kind}`)]) },
    { name: "action", label: t("action"), list: "actions" },
    { name: "resource", label: t("resource") },
    { name: "verdict", label: t("verdict"), options: VERDICTS.map((name) => [name, t(`verdict.${name}`)]) },
  ]);
  const { element, body } = table(t("journal"), [
    ["", t("entry")], ["", t("time")], ["", t("kind")], ["", t("what")], ["", t("resource")], ["", t("outcome")], ["wide", t("changes")],
  ]);
  const pages = backwards();
  return {
    elements: [el("h2", {}, t("journal")), form, actions, element, pages.element],
    update(data) {
      patch(body, data.rows, opened(data.open), 7, cells, described);
      pages.update(data);
    },
  };
}

function cells(row) {
  const what = row.kind === "change" && row.first ? changed(row.first) : [el("b", {}, row.action || "–"), " ", quiet(row.service), " ", quiet(row.cause)];
  return [
    el("td", {}, opener(row.key, `#${row.key}`, open(), toggle)),
    el("td", {}, instant(row.at, 3)),
    el("td", {}, t(`kind.${row.kind}`)),
    el("td", {}, what),
    el("td", { class: "ids" }, row.resources.map((id) => el("code", { title: id }, id)), row.more ? `+${row.more}` : ""),
    el("td", {}, outcome(row)),
    el("td", {}, row.kind === "change" ? quiet(row.cause) : row.first ? [changed(row.first), row.changes > 1 ? ` +${row.changes - 1}` : ""] : ""),
  ];
}

export function outcome(row) {
  const parts = [];
  if (row.kind === "request") {
    if (row.status === 0 && !row.code) parts.push(badge("busy", "…"));
    else parts.push(badge(row.status >= 400 || row.status === 0 ? "bad" : "good", String(row.status || ""), row.code ? ` ${row.code}` : ""));
    if (row.verdict && row.verdict !== "valid" && row.verdict !== row.code) parts.push(badge("bad", row.verdict));
  } else if (row.code || row.status) {
    parts.push(badge(row.status >= 200 && row.status < 300 ? "good" : "bad", String(row.status || ""), ` ${row.code}`));
  } else if (row.verdict) parts.push(badge("note", row.verdict));
  if (row.fault) parts.push(badge("note", row.fault));
  return parts;
}

function quiet(text) {
  return text ? el("span", { class: "quiet-text" }, text) : "";
}

export function changed(change) {
  return el("span", { class: "change" }, quiet(change.what), " ", el("span", {}, change.before || "–"), " → ", el("b", {}, change.after || "–"));
}

function pairs(mapping) {
  return facts(Object.entries(mapping));
}

function described(entry) {
  const { string_to_sign: signed, canonical, ...details } = entry.details;
  const block = (title, text) => (text ? [el("h4", {}, title), el("pre", { tabindex: "0" }, text)] : []);
  const section = (title, ...content) => el("section", {}, el("h3", {}, title), content);
  return el("div", { class: "columns" },
    section(t("outcome"), facts([
      [t("signature"), entry.verdict], [t("status"), entry.status], [t("code"), entry.code], [t("fault"), entry.fault],
      [t("request_id"), entry.request_id], [t("access_key"), entry.access_key], [t("region"), entry.region],
      [t("cause"), entry.cause], [t("resource"), entry.resources.join(" ")],
    ]), Object.keys(details).length ? pairs(details) : ""),
    entry.changes.length ? section(`${t("changes")} (${entry.all})`, el("ul", {}, entry.changes.map((change) => el("li", {}, el("code", {}, change.id), " ", changed(change))))) : "",
    Object.keys(entry.parameters).length ? section(t("parameters"), pairs(entry.parameters)) : "",
    signed || canonical ? section(t("string_to_sign"), block("", signed), block("canonical", canonical)) : "");
}
