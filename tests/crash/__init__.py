"""Kill the process anywhere; nothing is lost and nothing happens twice."""
