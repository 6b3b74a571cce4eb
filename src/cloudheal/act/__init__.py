"""The third stage: run playbooks durably, each effect once, whatever happens to the process."""
