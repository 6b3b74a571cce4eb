"""`cloudheal demo`: one evening on a simulated fleet, healed by the engine as an operator would run it.

It starts a simulator and `cloudheal run` of its own, lets things go wrong (also to the engine itself: kill -9), shows
what happens, compares the closing counts with what must come out, and fails when they differ.
"""

from cloudheal.demo.evening import run_demo

__all__ = ["run_demo"]
