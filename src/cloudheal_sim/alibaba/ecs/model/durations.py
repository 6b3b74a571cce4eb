"""How long things take, in seconds of virtual time; the world key `durations` changes any of them.

The defaults are by feel: quick enough for a drill, slow enough for every transitional state to be seen by a poller.
A duration of 0 passes through the state in one instant; the state is still entered, journaled and published.
"""

from __future__ import annotations

from pydantic import ConfigDict

from cloudheal_sim.kernel.world import Part, Seconds


class Durations(Part):
    """Seconds spent in each transitional state."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pending: Seconds = 2.0
    starting: Seconds = 8.0
    stopping: Seconds = 5.0
    stopping_forced: Seconds = 2.0
    rebooting_stopping: Seconds = 5.0
    rebooting_starting: Seconds = 8.0
    redeploying_stopping: Seconds = 10.0
    redeploying_starting: Seconds = 20.0
    powering_off: Seconds = 0.0
    """A guest that vanishes passes Stopping at once: nobody asked, nobody waits."""
    releasing: Seconds = 1.0
    creating_disk: Seconds = 2.0
    creating_snapshot: Seconds = 20.0
    reclaim_notice: Seconds = 300.0
    """From the interruption notice of a spot instance to its release."""
    reclaim_stop: Seconds = 10.0
    """How long before that release a spot instance is shut down."""
