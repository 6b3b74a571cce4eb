"""How long things take, in seconds of virtual time; the world key `durations` changes any of them.

The defaults are by feel: quick enough for a drill, slow enough for every transitional state to be seen by a poller.
"""

from __future__ import annotations

from pydantic import ConfigDict

from cloudheal_sim.kernel.world import Part, Seconds


class Durations(Part):
    """Seconds spent in each transitional state, and by the platform's repairs."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending: Seconds = 3.0
    starting: Seconds = 8.0
    stopping: Seconds = 8.0
    stopping_hard: Seconds = 2.0
    rebooting: Seconds = 15.0
    rebooting_hard: Seconds = 10.0
    soft_limit: Seconds = 60.0
    """How long a soft stop or reboot waits for a system that does not answer, before it gives up or turns hard."""
    reported_ahead: Seconds = 2.0
    """How long before STOPPED a soft stop is reported as a success already: the operation runs ahead of the state."""
    powering_off: Seconds = 0.0
    """A guest that vanishes passes STOPPING at once: nobody asked, nobody waits."""
    terminating: Seconds = 3.0
    launch_failed: Seconds = 300.0
    """How long an instance that could not be made is shown."""
    repairing: Seconds = 300.0
    """What the platform's repair of an instance takes."""
