// The event timeline: what was published, and what became of it at each target.

import { badge, el, facts, instant, opener, patch, table } from "./dom.js";
import { backwards, filters } from "./filters.js";
import { open, opened, toggle } from "./route.js";
import { t } from "./words.js";

const LEVELS = { CRITICAL: "bad", WARN: "note", INFO: "off" };

export function events() {
  const form = filters([
    { name: "text", label: t("text"), placeholder: t("search.events") },
    { name: "level", label: t("level"), options: Object.keys(LEVELS).map((name) => [name, name]) },
    { name: "region", label: t("region") },
  ]);
  const { element, body } = table(t("timeline"), [
    ["", t("time")], ["", t("event")], ["", t("level")], ["", t("status")], ["", t("region")], ["", t("resource")], ["", t("deliveries")],
  ]);
  const pages = backwards();
  return {
    elements: [el("h2", {}, t("timeline")), form, element, pages.element],
    update(data) {
      patch(body, data.rows, opened(data.open), 7, cells, described);
      pages.update(data);
    },
  };
}

function cells(row) {
  return [
    el("td", {}, opener(row.key, instant(row.at, 3), open(), toggle)),
    el("th", { scope: "row" }, row.name, row.dry ? [" ", badge("note", row.dry)] : "", el("span", { class: "under" }, row.product)),
    el("td", {}, row.level ? badge(LEVELS[row.level] ?? "note", row.level) : ""),
    el("td", {}, row.status, el("span", { class: "under" }, row.state)),
    el("td", { class: "nowrap" }, row.region),
    el("td", { class: "ids" }, row.resources.map((id) => el("code", { title: id }, id))),
    el("td", {}, row.deliveries.map(delivered)),
  ];
}

function delivered(one) {
  return badge(one.status >= 200 && one.status < 300 ? "good" : one.status ? "bad" : "note", `${one.status || ""} ${one.code}`.trim(), " ", one.target.split(":").slice(one.target.startsWith("mns:") ? 2 : 0).join(":"));
}

function described(detail) {
  return el("div", { class: "columns" },
    el("section", {}, el("h3", {}, t("content")), el("pre", { tabindex: "0" }, detail.content)),
    el("section", {}, el("h3", {}, t("deliveries")), detail.deliveries.length
      ? el("ul", {}, detail.deliveries.map((one) => el("li", {}, instant(one.at, 3), " ", delivered(one), " ", one.rule))) : t("empty")),
    el("section", {}, el("h3", {}, t("details")), facts([[t("id"), detail.id], ...detail.rules.map((rule) => [t("match"), rule])])));
}
