"""A stage: a simulated cloud with a handler of its own, for whoever rehearses without an account.

The simulator and the handler are processes, as in production, known by their commands and ports only. `night` moves the
cloud's time: real while anything is going on, in leaps while all is idle.
"""
