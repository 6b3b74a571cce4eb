"""Wire out: what the CLB calls show."""
