"""The first stage: from messages to events, each with its trouble; nothing is acknowledged before it is committed."""
