// The page's texts in the language of the document; a missing one shows its key, which a test would notice first.

let words = {};

export async function load() {
  const answer = await fetch(`/ui/texts?lang=${document.documentElement.dataset.lang}`);
  words = await answer.json();
}

export function t(key) {
  return words[key] ?? key;
}
