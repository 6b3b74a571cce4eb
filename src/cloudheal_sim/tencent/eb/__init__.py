"""EventBridge, version 2021-04-16: buses, rules with event patterns, targets, and what is delivered to them."""
