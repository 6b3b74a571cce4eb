"""Drills: a scenario causes something harmless, watches what the handler makes of it, and says whether that was right.

A scenario is a file (`scenario`, `files`). `runner` goes through its steps, `tape` and `looks` compare what is recorded
and what clouds show with what is expected, `cleaning` takes everything back. Nothing here handles an event: that is the
worker's work, in another process, and a drill only watches it.
"""
