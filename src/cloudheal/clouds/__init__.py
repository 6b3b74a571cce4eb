"""One folder per cloud, each with the same parts: client, events, sources, actions."""
