"""Wire in: the parameters of the SLB calls, one module per family."""
