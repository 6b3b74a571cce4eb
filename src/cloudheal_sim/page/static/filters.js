// The form above a table and the pages below it.

import { el, field, select } from "./dom.js";
import { amend, here } from "./route.js";
import { t } from "./words.js";

/** A filter form; each field is {name, label, options | placeholder | list}. Typing filters at once, from page one. */
export function filters(fields) {
  const { parameters } = here();
  const form = el("form", { class: "filters", role: "search", "aria-label": t("filter") });
  const apply = () => {
    const values = Object.fromEntries(new FormData(form));
    amend({ ...values, page: "", before: "" });
  };
  const controls = fields.map(({ name, label, options, placeholder, list }) => {
    const value = parameters[name] ?? "";
    const control = options
      ? select(name, [["", t("any")], ...options], value)
      : el("input", { name, type: "search", value, placeholder, list, autocomplete: "off", spellcheck: "false" });
    return field(label, control);
  });
  const clear = el("button", { type: "button", onclick: () => { for (const node of form.elements) if (node.name) node.value = ""; apply(); } }, t("clear"));
  form.append(...controls, clear);
  form.addEventListener("input", apply);
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

/** Previous and next by page number. */
export function pager(name = "page") {
  const element = el("nav", { class: "pager", "aria-label": t("pages") });
  const back = el("button", { type: "button" }, t("previous"));
  const text = el("span");
  const on = el("button", { type: "button" }, t("next"));
  element.append(back, text, on);
  let at = { page: 1, pages: 1 };
  back.addEventListener("click", () => amend({ [name]: at.page - 1 }));
  on.addEventListener("click", () => amend({ [name]: at.page + 1 }));
  return {
    element,
    update(slice) {
      at = slice;
      back.disabled = slice.page <= 1;
      on.disabled = slice.page >= slice.pages;
      text.textContent = t("page_of").replace(/\{(\w+)\}/g, (_, name) => slice[name].toLocaleString());
    },
  };
}

/** Newest and older, for a list that is read backwards and searched a stretch at a time. */
export function backwards() {
  const newest = el("button", { type: "button", onclick: () => amend({ before: "" }) }, t("newest"));
  const older = el("button", { type: "button", onclick: () => amend({ before: next }) }, t("older"));
  const text = el("span");
  let next = 0;
  return {
    element: el("nav", { class: "pager", "aria-label": t("pages") }, newest, text, older),
    update(data) {
      next = data.next;
      newest.disabled = !here().parameters.before;
      older.disabled = next === 0;
      older.textContent = data.full || next === 0 ? t("older") : t("search.on");
      text.textContent = `${t("searched")}: ${data.searched.toLocaleString()}`;
    },
  };
}
