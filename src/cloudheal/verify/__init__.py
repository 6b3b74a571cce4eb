"""The fourth stage: what must hold after an action. Pure questions about what was read back; nothing here reads."""
