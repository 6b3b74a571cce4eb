"""Wire out: what the CVM calls show."""
