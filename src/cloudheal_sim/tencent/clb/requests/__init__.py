"""Wire in: the parameters of the CLB calls."""
