// Talks to the simulator: reads below /ui/, changes through the control API below /_sim/.

export async function read(view, parameters, signal) {
  const query = new URLSearchParams({ view, ...parameters });
  const answer = await fetch(`/ui/state?${query}`, { signal });
  if (!answer.ok) throw new Error(`${answer.status}`);
  return answer.json();
}

/** Change something; throws an Error with the simulator's own words when it refuses. */
export async function change(method, path, body) {
  const answer = await fetch(`/_sim/${path}`, {
    method, headers: { "Content-Type": "application/json" }, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const document = await answer.json();
  if (!answer.ok) throw new Error(document.error ?? `${answer.status}`);
  return document;
}
