// Instances with their state history, and the form that does chaos to the chosen ones.

import { change } from "./api.js";
import { badge, el, facts, field, instant, opener, patch, select, table } from "./dom.js";
import { filters, pager } from "./filters.js";
import { notice, told } from "./notice.js";
import { open, opened, toggle } from "./route.js";
import { t } from "./words.js";

const TONES = {
  Running: "good", Stopped: "off", Pending: "busy", Starting: "busy", Stopping: "busy", Rebooting: "busy", Terminating: "busy",
  Shutdown: "off", Launch_failed: "bad",
};
const clouds = () => ({ alibaba: t("alibaba"), tencent: t("tencent") });
const COLUMNS = 9;

export function instances(options) {
  const regions = { options: [] };
  const form = filters([
    { name: "q", label: t("text"), placeholder: t("search.instances") },
    { name: "cloud", label: t("cloud"), options: Object.entries(clouds()) },
    { name: "region", label: t("region"), list: "regions" },
    { name: "status", label: t("status"), options: [...Object.keys(TONES).map((name) => [name, name]), ["released", t("released")]] },
  ]);
  const known = el("datalist", { id: "regions" });
  const { element, body } = table(t("instances"), [
    ["tick", el("span", { class: "quiet" }, t("select"))], ["", t("instance")], ["", t("zone")], ["", t("status")], ["", t("since")],
    ["", t("type")], ["", t("spot")], ["", `${t("locks")} · ${t("trouble")}`], ["", t("tags")],
  ]);
  const pages = pager();
  const chaos = chaosForm(options);
  body.addEventListener("change", (event) => chaos.pick(event.target.value, event.target.checked));
  return {
    elements: [el("h2", {}, t("instances")), form, known, chaos.element, element, pages.element],
    update(data) {
      const chosen = chaos.chosen();
      const rows = data.rows.map((row) => ({ ...row, chosen: chosen.has(row.key) }));
      patch(body, rows, opened(data.open), COLUMNS, cells, described);
      pages.update(data.slice);
      if (regions.print !== data.regions.join()) {
        regions.print = data.regions.join();
        known.replaceChildren(...data.regions.map((name) => el("option", { value: name })));
      }
    },
  };
}

function cells(row) {
  return [
    el("td", { class: "tick" }, el("input", { type: "checkbox", value: row.key, checked: row.chosen, "data-focus": "tick", "aria-label": `${t("select")} ${row.key}` })),
    el("th", { scope: "row" }, opener(row.key, row.key, open(), toggle), el("span", { class: "under" }, row.name)),
    el("td", { class: "nowrap" }, row.zone, el("span", { class: "under" }, clouds()[row.cloud], row.zone.startsWith(row.region) ? "" : ` ${row.region}`)),
    el("td", {}, state(row), row.goal ? el("span", { class: "under" }, `→ ${row.goal} `, instant(row.due)) : ""),
    el("td", {}, instant(row.since)),
    el("td", {}, row.type),
    el("td", {}, row.spot),
    el("td", {}, row.locks.map((lock) => badge("bad", lock)), row.trouble.map((one) => badge("note", one))),
    el("td", {}, row.tags.map(([name, value]) => el("span", { class: "chip" }, el("span", { class: "quiet-text" }, `${name} `), value)), row.more ? `+${row.more}` : ""),
  ];
}

function state(row) {
  return row.status === "" ? badge("off", t("released")) : badge(TONES[row.status[0] + row.status.slice(1).toLowerCase()] ?? "note", row.status);
}

function described(detail) {
  const steps = detail.history.map((step) => el("li", {}, instant(step.at, 3), " ", state(step)));
  return el("div", { class: "columns" },
    el("section", {}, el("h3", {}, t("history")), el("ol", { class: "history" }, steps)),
    el("section", {}, el("h3", {}, t("details")), facts([
      [t("name"), detail.name], [t("region"), detail.region], [t("address"), detail.addresses.join(" ")], [t("image"), detail.image],
      [t("charge"), detail.charge], [t("created"), instant(detail.created)], [t("expires"), instant(detail.expires)],
      [t("notice"), instant(detail.notice)], [t("ends"), instant(detail.ends)], [t("protected"), detail.protected ? "✓" : ""],
      [t("operation"), detail.operation], ...detail.behind.map((place) => [t("behind"), place]),
      ...detail.tags.map(([name, value]) => [`${t("tags")}: ${name}`, value]),
    ])),
    detail.events.length ? el("section", {}, el("h3", {}, t("system_events")), el("ul", {}, detail.events.map((one) =>
      el("li", {}, el("code", {}, one.id), " ", one.type, " ", badge("note", one.status), " ", instant(one.at))))) : "");
}

function chaosForm(options) {
  const ids = el("input", { name: "ids", autocomplete: "off", spellcheck: "false", class: "wide" });
  const deed = select("deed", options.deeds.map((name) => [name, name]));
  const chosen = () => new Set(ids.value.split(/[\s,]+/).filter(Boolean));
  const form = el("form", {},
    el("div", { class: "fields" }, field(t("chaos.deed"), deed), field(t("chaos.ids"), ids),
      el("button", { type: "submit", class: "primary" }, t("chaos.do"))),
    el("p", { class: "hint" }, t("chaos.hint")));
  const element = el("details", { class: "card" }, el("summary", {}, t("chaos")), form);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const instances = [...chosen()];
    if (!instances.length) return notice.refused(new Error(t("chaos.none")));
    return told(async () => `${deed.value} · ${t("chaos.hit")}: ${(await change("POST", "chaos", { do: deed.value, instances })).hit}`);
  });
  return {
    element, chosen,
    pick(id, isChosen) {
      const set = chosen();
      if (isChosen) set.add(id);
      else set.delete(id);
      ids.value = [...set].join(" ");
      element.open ||= set.size > 0;
    },
  };
}
