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
