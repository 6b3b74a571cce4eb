// The virtual clock on top of every view, and the buttons that move it.

import { change } from "./api.js";
import { el, instant, setToday, span } from "./dom.js";
import { told } from "./notice.js";
import { t } from "./words.js";

const STEPS = [[1, "+1 s"], [60, "+1 min"], [300, "+5 min"], [3600, "+1 h"], [86400, "+1 d"]];

// Nobody wants to know to the second how far away something is that is days away.
function rough(seconds) {
  const unit = seconds >= 172800 ? 86400 : seconds >= 7200 ? 3600 : seconds >= 120 ? 60 : 1;
  return Math.round(seconds / unit) * unit;
}

const now = el("strong");
const mode = el("span", { class: "mode" });
const next = el("span", { class: "next" });
let due = null;

function advance(body) {
  return told(async () => `${t("clock.moved")}: ${(await change("POST", "clock/advance", body)).fired}`);
}

export const clock = {
  elements() {
    const steps = STEPS.map(([seconds, text]) =>
      el("button", { type: "button", "aria-label": `${t("clock.advance")} ${text}`, onclick: () => advance({ seconds }) }, text));
    const last = el("button", {
      type: "button", "aria-label": t("clock.to_next_long"), disabled: true, id: "to-next",
      onclick: () => advance({ to: new Date(due).toISOString() }),
    }, `⇥ ${t("clock.to_next")}`);
    return [
      el("span", { class: "reading" }, now, " UTC ", mode), next,
      el("span", { class: "steps", role: "group", "aria-label": t("clock.advance") }, steps, last),
    ];
  },

  update(reading) {
    due = reading.next_due;
    setToday(reading.now);
    now.replaceChildren(instant(reading.now, 0, true));
    const speed = reading.mode === "scaled" ? ` × ${reading.scale}` : "";
    mode.textContent = `${t(`clock.${reading.mode}`)}${speed}`;
    const away = due === null ? 0 : Math.max(0, due - reading.now) / 1000;
    next.replaceChildren(...(due === null ? [t("clock.nothing")] : [`${t("clock.next")}: `, instant(due), ` (${span(rough(away))})`]));
    document.getElementById("to-next").disabled = due === null;
  },
};
