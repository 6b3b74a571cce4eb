"""Wire out: what the ECS calls answer, one file per family."""
