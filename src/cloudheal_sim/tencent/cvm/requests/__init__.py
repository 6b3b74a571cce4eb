"""Wire in: the parameters of the CVM calls."""
