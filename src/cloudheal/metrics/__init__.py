"""Numbers about ourselves, counted in memory and shown as text that Prometheus reads."""
