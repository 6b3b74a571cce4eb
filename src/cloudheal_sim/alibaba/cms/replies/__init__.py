"""Wire out: replies, by family."""
