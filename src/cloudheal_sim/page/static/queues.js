// Queues, and the messages of the chosen one: visible, invisible, delayed.

import { badge, el, facts, instant, opener, patch, span, table } from "./dom.js";
import { filters, pager } from "./filters.js";
import { amend, here, open, opened, toggle } from "./route.js";
import { t } from "./words.js";

const TONES = { visible: "good", invisible: "busy", delayed: "off" };

export function queues() {
  const form = filters([{ name: "q", label: t("name"), placeholder: t("search.queues") }]);
  const list = table(t("queues"), [
    ["", t("queue")], ["number", t("visible")], ["number", t("invisible")], ["number", t("delayed")],
    ["number", t("visibility")], ["number", t("delay")], ["number", t("polling")], ["number", t("retention")],
  ]);
  const inside = table(t("messages"), [
    ["", t("message")], ["", t("status")], ["", t("enqueued")], ["", t("next_visible")],
    ["number", t("dequeued")], ["number", t("priority")], ["", t("body")],
  ]);
  const pages = pager();
  const messagePages = pager("messages");
  const title = el("h2");
  const part = el("section", { hidden: true }, title, inside.element, messagePages.element);
  const hint = el("p", { class: "hint" }, t("choose.queue"));
  return {
    elements: [el("h2", {}, t("queues")), form, list.element, pages.element, hint, part],
    update(data) {
      const chosen = here().parameters.queue ?? "";
      patch(list.body, data.rows.map((row) => ({ ...row, chosen: row.key === chosen })), new Map(), 8, queueCells, () => "");
      pages.update(data.slice);
      part.hidden = !data.messages;
      hint.hidden = !part.hidden;
      if (!data.messages) return;
      title.textContent = `${t("messages")}: ${data.messages.queue}`;
      patch(inside.body, data.messages.rows, opened(data.messages.open), 7, messageCells, described);
      messagePages.update(data.messages.slice);
    },
  };
}

function queueCells(row) {
  const choose = () => amend({ queue: row.chosen ? "" : row.key, messages: "", open: "" });
  return [
    el("th", { scope: "row" }, el("button", { type: "button", class: "opener", "aria-pressed": String(row.chosen), "data-focus": "choose", onclick: choose },
      el("span", { "aria-hidden": "true" }, row.chosen ? "▾ " : "▸ "), row.name), el("span", { class: "under" }, row.region)),
    ...[row.visible, row.invisible, row.delayed].map((number) => el("td", { class: "number" }, number.toLocaleString())),
    ...[row.visibility, row.delay, row.polling, row.retention].map((seconds) => el("td", { class: "number" }, span(seconds))),
  ];
}

function messageCells(row) {
  return [
    el("th", { scope: "row" }, opener(row.key, row.short, open(), toggle)),
    el("td", {}, badge(TONES[row.state], t(`state.${row.state}`))),
    el("td", {}, instant(row.enqueued, 3)),
    el("td", {}, row.state === "visible" ? "" : instant(row.next_visible, 3)),
    el("td", { class: "number" }, String(row.dequeued)),
    el("td", { class: "number" }, String(row.priority)),
    el("td", { class: "body" }, el("code", {}, row.body)),
  ];
}

function described(detail) {
  return el("div", {}, facts([[t("id"), detail.id]]), el("h3", {}, detail.decoded ? t("decoded") : t("as_sent"), ` · ${detail.size.toLocaleString()} ${t("bytes")}`), el("pre", { tabindex: "0" }, detail.body));
}
