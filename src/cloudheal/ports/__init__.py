"""The few small interfaces between the stages and the world; each contract stands in its docstring."""

from cloudheal.ports.clock import Clock, SystemClock

__all__ = ["Clock", "SystemClock"]
