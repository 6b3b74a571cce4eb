"""Wire in: the parameters of each action, by family."""
