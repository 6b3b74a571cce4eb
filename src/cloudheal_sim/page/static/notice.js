// The one line that tells what a button did, what the simulator refused, or that it does not answer.

import { t } from "./words.js";

const line = document.getElementById("notice");
let isOffline = false;

function say(text, tone) {
  line.hidden = text === "";
  line.textContent = text;
  line.className = `notice ${tone}`;
}

export const notice = {
  done(text) {
    say(`✓ ${text}`, "good");
  },
  refused(problem) {
    say(`▲ ${problem.message}`, "bad");
  },
  offline() {
    isOffline = true;
    say(`▲ ${t("offline")}`, "bad");
  },
  online() {
    if (isOffline) say("", "");
    isOffline = false;
  },
};

/** Run a change, tell its outcome, and have the view read again. */
export async function told(work) {
  try {
    notice.done(await work());
  } catch (problem) {
    notice.refused(problem);
  }
  window.dispatchEvent(new Event("changed"));
}
