"""Tells people: words notices in their language and sends them through Apprise, from the outbox."""
