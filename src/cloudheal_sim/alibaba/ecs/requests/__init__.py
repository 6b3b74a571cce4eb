"""Wire in: the parameters of the ECS calls, one file per family."""
