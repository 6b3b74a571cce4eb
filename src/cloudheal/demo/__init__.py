"""`cloudheal demo`: one outage on a simulated fleet, walked through by hand with the vendor's own SDKs.

It shows what the cloud publishes and what an operator has to do about it; nothing here decides or heals by itself. It
starts a simulator of its own on a free port, checks every step, and fails when one does not come out.
"""

from cloudheal.demo.story import run_demo

__all__ = ["run_demo"]
