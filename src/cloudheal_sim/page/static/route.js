// Where the person is: the view and its filters live in the fragment, so links and the back button work.

export function here() {
  const [view, query] = location.hash.slice(1).split("?", 2);
  return { view, parameters: Object.fromEntries(new URLSearchParams(query ?? "")) };
}

export function address(view, parameters = {}) {
  const filled = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const query = new URLSearchParams(filled).toString();
  return `#${view}${query ? `?${query}` : ""}`;
}

/** Change some parameters of the present view without a new step in the history. */
export function amend(changes) {
  const { view, parameters } = here();
  history.replaceState(null, "", address(view, { ...parameters, ...changes }));
  window.dispatchEvent(new Event("amended"));
}

/** The keys of the rows whose details are open. */
export function open() {
  return new Set((here().parameters.open ?? "").split(",").filter(Boolean));
}

/** Open a row's details, or close them; at most ten stay open. */
export function toggle(key) {
  const keys = open();
  if (!keys.delete(key)) keys.add(key);
  amend({ open: [...keys].slice(-10).join(",") });
}

/** What the opened rows show: null until the simulator has answered. */
export function opened(details) {
  return new Map([...open()].map((key) => [key, details?.[key] ?? null]));
}
